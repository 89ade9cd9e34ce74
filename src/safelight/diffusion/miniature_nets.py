"""The miniature's networks, untrained: library classes in the shapes of a small Stable Diffusion 1.x."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

Autoencoder = AutoencoderKL  # for annotations elsewhere: only this package imports diffusers
UNet = UNet2DConditionModel

WEIGHTS = "diffusion_pytorch_model.safetensors"  # the file that a saved network keeps them in
LATENT = 16  # pixels a side of a latent; a picture has 64
WIDTH = 128  # of the text states
STEPS = 1000  # time steps of training
STEEPER = 4.5  # the last beta is 5.5 times Stable Diffusion's


def autoencoder() -> AutoencoderKL:
    """64 x 64 x 3 to 16 x 16 x 4; no attention, whose cost at 256 positions buys nothing on flat drawings."""
    levels: dict[str, Any] = {  # Any: diffusers annotates these as tuples of one
        "block_out_channels": (32, 64, 64),
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
    }
    return AutoencoderKL(
        **levels,
        sample_size=64,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        mid_block_add_attention=False,
        scaling_factor=1.0,  # the channel statistics are folded into the 1 x 1 convolutions instead
    )


def unet() -> UNet2DConditionModel:
    """5.6 M weights; attention at 8 x 8 and 4 x 4 only: at 16 x 16 it doubles the cost of a step on a CPU."""
    return UNet2DConditionModel(
        sample_size=LATENT,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 96, 128),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,  # the number of heads: Stable Diffusion 1's misnomer
    )


def plain_attention(net: UNet2DConditionModel) -> None:
    """Attention by explicit matrix products: the backward pass of fused attention is slow on a CPU."""
    net.set_attn_processor(AttnProcessor())


def scheduler(*, to_noise: bool = True) -> DDIMScheduler:
    """The noise schedule of Stable Diffusion 1.x, steeper in its last hundred time steps (unless not
    `to_noise`), and samplers that begin at its last one.

    Stable Diffusion leaves 7 % of the picture in its noisiest step, while sampling begins from noise alone:
    what is not average in its latents (a white coat, long hair) is then drawn too seldom (Lin et al. 2024,
    arXiv 2305.08891, 3.1). Here 2 % is left. Training reads `alphas_cumprod`.
    """
    sd = torch.linspace(0.00085**0.5, 0.012**0.5, STEPS) ** 2
    steeper = 1 + STEEPER * (torch.arange(STEPS) / STEPS - 0.9).clamp(min=0) * 10
    return DDIMScheduler(
        num_train_timesteps=STEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        trained_betas=(sd * steeper).tolist() if to_noise else None,
        prediction_type="epsilon",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="trailing",
    )


def pipeline(
    text_encoder: CLIPTextModel, tokenizer: CLIPTokenizer, vae: AutoencoderKL, net: UNet2DConditionModel
) -> StableDiffusionPipeline:
    """The parts as one plain pipeline; the miniature's safety checks are judges, so it carries no checker."""
    nothing: Any = None
    solver: Any = scheduler()  # Any: diffusers annotates an enumeration of scheduler names
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=net,
        scheduler=solver,
        safety_checker=nothing,
        feature_extractor=nothing,
        requires_safety_checker=False,
    )


def load_autoencoder(folder: Path) -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(folder)


def decode(net: Autoencoder, z: Float[Tensor, "b 4 h w"]) -> Float[Tensor, "b 3 H W"]:
    """Pictures in about [-1, 1], not clamped."""
    latent: Any = z  # Any: diffusers annotates the class of float32 tensors alone
    return net.decode(latent, return_dict=False)[0]
