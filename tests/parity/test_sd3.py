"""Our loop gives the same bits as `StableDiffusion3Pipeline`."""

from __future__ import annotations

import diffusers
import pytest
import torch
from parity.families import NEGATIVE, PROMPTS, SIZES, decoded, ours, rngs, theirs

from safelight.diffusion import tiny


@pytest.mark.parametrize("t5", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_equal_bits(t5, size):
    pipe = tiny.sd3(t5)
    reference = theirs(pipe, size, negative_prompt=NEGATIVE, guidance_scale=7.0)
    assert torch.equal(ours(pipe, {"uncond": NEGATIVE, "prompt": PROMPTS}, 7.0, size), reference)


@pytest.mark.parametrize("size", SIZES)
def test_equal_bits_where_the_size_shifts_the_noise(size):
    pipe = tiny.sd3(scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True))
    reference = theirs(pipe, size, guidance_scale=7.0)
    assert torch.equal(ours(pipe, {"uncond": ["", ""], "prompt": PROMPTS}, 7.0, size), reference)


def test_without_guidance():
    pipe = tiny.sd3()
    reference = theirs(pipe, SIZES[1], guidance_scale=1.0)
    assert torch.equal(ours(pipe, {"prompt": PROMPTS}, 1.0, SIZES[1]), reference)


@pytest.mark.filterwarnings("ignore:Token indices sequence length")
def test_long_prompts():
    pipe, prompts = tiny.sd3(), ["a cat on a mat " * 10, "a dog " * 80]
    reference = theirs(pipe, SIZES[0], prompts, guidance_scale=7.0)
    assert torch.equal(ours(pipe, {"uncond": ["", ""], "prompt": prompts}, 7.0, SIZES[0]), reference)


def test_pictures_are_the_pipelines():
    pipe = tiny.sd3()
    latents, images = (
        pipe("a cat", num_inference_steps=1, generator=rngs()[0], output_type=kind).images
        for kind in ("latent", "pt")
    )
    assert torch.equal(decoded(pipe, latents), images)
