"""Tiny denoisers and VAEs.

Untrained networks barely listen to their text, so what carries it into the picture is scaled up.
"""

# diffusers annotates tuples of any length as tuple[int]:
# pyright: reportArgumentType=false
from __future__ import annotations

from typing import Any

import diffusers
import torch

LISTEN = 6.0  # makes a change of text move the prediction by about as much as a change of latent
SIZES = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 32 + 6 * 8,
    "transformer_layers_per_block": (1, 1),
    "use_linear_projection": True,
}
"""What makes a UNet one of SDXL: it also sees a pooled text [b, 32] and six sizes."""


def unet(width: int = 32, **options: Any) -> diffusers.UNet2DConditionModel:
    net = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        norm_num_groups=4,
        attention_head_dim=4,
        **options,
    )
    return _listening(net, "attn2.to_v.weight", "attn2.to_out.0.weight")


def sd3() -> diffusers.SD3Transformer2DModel:
    net = diffusers.SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=2,
        num_attention_heads=4,
        attention_head_dim=8,
        caption_projection_dim=32,
        joint_attention_dim=64,
        pooled_projection_dim=64,
        pos_embed_max_size=16,
    )
    return _listening(net, "attn.add_v_proj.weight", "context_embedder.weight")


def flux(embedded_guidance: bool) -> diffusers.FluxTransformer2DModel:
    net = diffusers.FluxTransformer2DModel(
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        num_attention_heads=2,
        attention_head_dim=16,
        axes_dims_rope=(4, 6, 6),
        joint_attention_dim=32,
        pooled_projection_dim=32,
        guidance_embeds=embedded_guidance,
    )
    return _listening(net, "attn.add_v_proj.weight", "context_embedder.weight")


def vae(channels: int = 4, **options: Any) -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        sample_size=16,
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        **options,
    ).eval()


def _listening(net: Any, *weights: str) -> Any:
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith(weights):
                weight.mul_(LISTEN)
    return net.eval()
