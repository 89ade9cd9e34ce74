"""Our loop gives the same bits as diffusers' own pipelines."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch

from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.diffusion.denoise import Mask, denoise
from safelight.diffusion.solvers import draw, name_of, solver

CASES = [
    ("epsilon", diffusers.DDIMScheduler),
    ("epsilon", diffusers.EulerDiscreteScheduler),
    ("epsilon", diffusers.DPMSolverMultistepScheduler),
    ("epsilon", diffusers.PNDMScheduler),
    ("epsilon", diffusers.HeunDiscreteScheduler),
    ("epsilon", diffusers.UniPCMultistepScheduler),
    ("epsilon", diffusers.EulerAncestralDiscreteScheduler),
    ("epsilon", diffusers.DDPMScheduler),
    ("v_prediction", diffusers.DDIMScheduler),
    ("v_prediction", diffusers.EulerDiscreteScheduler),
]


def rngs(b):
    return [torch.Generator().manual_seed(seed) for seed in range(b)]


def last(steps):
    *_, step = steps
    return step.next


def ours(pipe, rows, b, scale, steps=8, size=(8, 8)):
    model, ours = backbone(pipe), solver(name_of(pipe.scheduler), steps, pipe.scheduler)
    noise = rngs(b)
    x = draw(noise, (4, *size), "cpu") * ours.init_scale
    conds = {row: model.encode(texts) for row, texts in rows.items()}
    return last(denoise(model, ours, conds, x, scale=scale, rngs=noise))


@pytest.mark.parametrize(("prediction", "scheduler"), CASES)
@pytest.mark.parametrize("b", [1, 3])
def test_equal_bits(prediction, scheduler, b):
    pipe = tiny.sd(prediction, scheduler)
    prompts, negative = ["a cat", "a dog on a boat", "rain"][:b], ["nudity"] * b
    reference = pipe(
        prompts, negative_prompt=negative, num_inference_steps=8, guidance_scale=7.5,
        generator=rngs(b), output_type="latent",
    ).images  # fmt: skip
    assert torch.equal(ours(pipe, {"uncond": negative, "prompt": prompts}, b, 7.5), reference)


def test_equal_bits_without_guidance_and_off_square():
    pipe = tiny.sd()
    options = {
        "num_inference_steps": 5,
        "generator": rngs(2),
        "output_type": "latent",
        "height": 16,
        "width": 32,
    }
    reference = pipe(["a cat", "a dog"], guidance_scale=1.0, **options).images
    assert torch.equal(ours(pipe, {"prompt": ["a cat", "a dog"]}, 2, 1.0, 5, (8, 16)), reference)


def test_an_empty_negative_prompt_is_plain_guidance_bit_for_bit():
    pipe = tiny.sd()
    reference = pipe(
        "a cat", num_inference_steps=5, guidance_scale=5.0, generator=rngs(1), output_type="latent"
    ).images
    assert torch.equal(ours(pipe, {"uncond": [""], "prompt": ["a cat"]}, 1, 5.0, 5), reference)


@pytest.mark.parametrize("scheduler", [diffusers.DDIMScheduler, diffusers.EulerDiscreteScheduler])
def test_image_to_image_has_equal_bits(scheduler):
    pipe: Any = diffusers.StableDiffusionImg2ImgPipeline(**tiny.sd(scheduler=scheduler).components)
    pipe.set_progress_bar_config(disable=True)
    clean = torch.randn(1, 4, 8, 8, generator=rngs(1)[0])
    reference = pipe(
        "a cat", image=clean, strength=0.5, num_inference_steps=8, guidance_scale=5.0,
        generator=rngs(1), output_type="latent",
    ).images  # fmt: skip

    model, steps = backbone(pipe), solver(name_of(pipe.scheduler), 8, pipe.scheduler)
    x = steps.add_noise(clean, draw(rngs(1), (4, 8, 8), "cpu"), 4)
    rows = {"uncond": model.encode([""]), "prompt": model.encode(["a cat"])}
    assert torch.equal(last(denoise(model, steps, rows, x, scale=5.0, start=4)), reference)


@pytest.mark.parametrize("scheduler", [diffusers.DDIMScheduler, diffusers.EulerDiscreteScheduler])
def test_inpainting_keeps_what_the_mask_keeps(scheduler):
    pipe = tiny.sd(scheduler=scheduler)
    model, steps = backbone(pipe), solver(name_of(pipe.scheduler), 6, pipe.scheduler)
    clean, noise = (draw(rngs(2)[k:], (4, 8, 8), "cpu") for k in (0, 1))
    keep = torch.zeros(1, 1, 8, 8)
    keep[..., :4] = 1
    rows = {"uncond": model.encode([""]), "prompt": model.encode(["a cat"])}
    x = noise[:1] * steps.init_scale
    out = last(denoise(model, steps, rows, x, scale=5.0, mask=Mask(keep, clean[:1], noise[:1])))
    assert torch.equal(out[..., :4], clean[:1, ..., :4])
    assert (out[..., 4:] - clean[:1, ..., 4:]).abs().mean() > 0.1
