"""Stable Diffusion with a few thousand random weights, made in well under a second: the fake that tests use.

Untrained networks barely listen to their text, so the cross-attention's values and outputs are scaled up.
"""

# diffusers annotates tuples of any length as tuple[int]:
# pyright: reportArgumentType=false
from __future__ import annotations

from typing import Any

import diffusers
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

LISTEN = 6.0  # makes a change of text move the prediction by about as much as a change of latent


def sd(prediction: str = "epsilon", scheduler: Any = diffusers.DDIMScheduler, seed: int = 0) -> Any:
    """A live `StableDiffusionPipeline`: 16 x 16 pixels, latents [b, 4, 8, 8], 77 tokens, text width 32.

    Args:
        prediction: "epsilon" or "v_prediction".
        scheduler: a diffusers scheduler class; it gets Stable Diffusion's noise schedule.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        names = tokenizer()
        parts = {"vae": vae(), "text_encoder": text_encoder(names), "tokenizer": names, "unet": unet()}
    pipe = diffusers.StableDiffusionPipeline(
        **parts,
        scheduler=scheduler.from_config(SCHEDULE | {"prediction_type": prediction}),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}


def tokenizer() -> CLIPTokenizer:
    """One token a letter or mark; anything else is unknown. Ids of start and end as in CLIP: the last two."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789,.'-"
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: k for k, token in enumerate(tokens)}, merges=[], model_max_length=77)


def text_encoder(names: CLIPTokenizer) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(names),
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=77,
        bos_token_id=names.bos_token_id,
        eos_token_id=names.eos_token_id,
        pad_token_id=names.pad_token_id,
    )
    return CLIPTextModel(config).eval()


def unet(width: int = 32) -> diffusers.UNet2DConditionModel:
    net = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        norm_num_groups=4,
        attention_head_dim=4,
    ).eval()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith(("attn2.to_v.weight", "attn2.to_out.0.weight")):
                weight.mul_(LISTEN)
    return net


def vae() -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        sample_size=16,
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
    ).eval()
