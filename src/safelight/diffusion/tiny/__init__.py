"""Every family with a few thousand random weights, made in well under a second: the fakes that tests use.

All make latents of half the picture's side. A picture of 16 x 16 pixels is enough.
"""

# diffusers annotates parts that may be absent as if they were always there:
# pyright: reportArgumentType=false
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import diffusers
import torch

from safelight.diffusion.tiny import nets, text
from safelight.diffusion.tiny.text import tokenizer

__all__ = ["FAMILIES", "SCHEDULE", "flux", "sd", "sd3", "sdxl", "tokenizer"]

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
"""Stable Diffusion's noise schedule, XL included."""


def sd(prediction: str = "epsilon", scheduler: Any = diffusers.DDIMScheduler, seed: int = 0) -> Any:
    """A live `StableDiffusionPipeline`: 16 x 16 pixels, latents [b, 4, 8, 8], 77 tokens, text width 32.

    Args:
        prediction: "epsilon" or "v_prediction".
        scheduler: a diffusers scheduler class; it gets Stable Diffusion's noise schedule.
    """
    with _seeded(seed):
        names = tokenizer()
        parts = {"vae": nets.vae(), "text_encoder": text.clip(names), "tokenizer": names, "unet": nets.unet()}
    return _quiet(
        diffusers.StableDiffusionPipeline(
            **parts,
            scheduler=scheduler.from_config(SCHEDULE | {"prediction_type": prediction}),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


def sdxl(scheduler: Any = diffusers.EulerDiscreteScheduler, seed: int = 0) -> Any:
    """A live `StableDiffusionXLPipeline`: 16 x 16 pixels, latents [b, 4, 8, 8], text widths 32 and 32."""
    with _seeded(seed):
        names = tokenizer()
        pipe = diffusers.StableDiffusionXLPipeline(
            vae=nets.vae(),
            text_encoder=text.clip(names),
            text_encoder_2=text.clip(names, projection=True),
            tokenizer=names,
            tokenizer_2=names,
            unet=nets.unet(64, **nets.SIZES),
            scheduler=scheduler.from_config(SCHEDULE),
            add_watermarker=False,
        )
    return _quiet(pipe)


def sd3(t5: bool = True, scheduler: Any = None, seed: int = 0) -> Any:
    """A live `StableDiffusion3Pipeline`: 16 x 16 pixels, latents [b, 16, 8, 8], 4 x 4 tokens.

    Args:
        t5: with the third text encoder or without.
        scheduler: a diffusers scheduler; by default flow matching, shifted by 3.
    """
    with _seeded(seed):
        names, pieces = tokenizer(), text.t5_tokenizer() if t5 else None
        pipe = diffusers.StableDiffusion3Pipeline(
            transformer=nets.sd3(),
            scheduler=scheduler or diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=nets.vae(16, scaling_factor=1.5305, shift_factor=0.0609),
            text_encoder=text.clip(names, projection=True),
            tokenizer=names,
            text_encoder_2=text.clip(names, projection=True),
            tokenizer_2=names,
            text_encoder_3=text.t5(pieces, 64) if pieces else None,
            tokenizer_3=pieces,
        )
    return _quiet(pipe)


def flux(embedded_guidance: bool = True, seed: int = 0) -> Any:
    """A live `FluxPipeline`: latents [b, 16, h, w], one token each 2 x 2, T5 of 512 tokens.

    Args:
        embedded_guidance: whether the network is fed a guidance scale and the noise is shifted by the
            picture's size (as in `dev`), or neither (as in `schnell`).
    """
    with _seeded(seed):
        names, pieces = tokenizer(), text.t5_tokenizer()
        pipe = diffusers.FluxPipeline(
            transformer=nets.flux(embedded_guidance),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=embedded_guidance),
            vae=nets.vae(16, scaling_factor=0.3611, shift_factor=0.1159),
            text_encoder=text.clip(names),
            tokenizer=names,
            text_encoder_2=text.t5(pieces, 32),
            tokenizer_2=pieces,
        )
    return _quiet(pipe)


FAMILIES = {"sd": sd, "sdxl": sdxl, "sd3": sd3, "flux": flux}


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Weights drawn in here depend on the seed alone, and nobody else's noise on them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _quiet(pipe: Any) -> Any:
    pipe.set_progress_bar_config(disable=True)
    return pipe
