"""Our loop gives the same bits as `StableDiffusionXLPipeline`."""

from __future__ import annotations

import diffusers
import pytest
import torch
from parity.families import NEGATIVE, PROMPTS, SIZES, decoded, ours, rngs, theirs

from safelight.diffusion import tiny

SCHEDULERS = [diffusers.EulerDiscreteScheduler, diffusers.DDIMScheduler]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("size", SIZES)
def test_equal_bits(scheduler, size):
    pipe = tiny.sdxl(scheduler)
    reference = theirs(pipe, size, negative_prompt=NEGATIVE, guidance_scale=5.0)
    assert torch.equal(ours(pipe, {"uncond": NEGATIVE, "prompt": PROMPTS}, 5.0, size), reference)


@pytest.mark.parametrize("zeros", [True, False])
def test_no_negative_prompt_is_the_empty_text(zeros):
    pipe = tiny.sdxl()
    pipe.register_to_config(force_zeros_for_empty_prompt=zeros)
    reference = theirs(pipe, SIZES[1], guidance_scale=5.0)
    assert torch.equal(ours(pipe, {"uncond": ["", ""], "prompt": PROMPTS}, 5.0, SIZES[1]), reference)


def test_without_guidance():
    pipe = tiny.sdxl()
    reference = theirs(pipe, SIZES[1], guidance_scale=1.0)
    assert torch.equal(ours(pipe, {"prompt": PROMPTS}, 1.0, SIZES[1]), reference)


def test_pictures_are_the_pipelines():
    pipe = tiny.sdxl()
    latents, images = (
        pipe("a cat", num_inference_steps=1, generator=rngs()[0], output_type=kind).images
        for kind in ("latent", "pt")
    )
    assert torch.equal(decoded(pipe, latents), images)
