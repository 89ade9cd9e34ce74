"""A guarded pipeline gives the same bits as our own loop under the same methods."""

from __future__ import annotations

import diffusers
import pytest
import torch

from safelight.core.nouns import Prompt
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.diffusion.denoise import denoise
from safelight.diffusion.guard import Door
from safelight.diffusion.rows import condition, rows
from safelight.diffusion.solvers import draw, name_of, solver
from safelight.methods.guidance.negative_prompt import NegativePrompt
from safelight.methods.guidance.sld import SLD

MAX = SLD.of("max", concept="nudity")
CASES = {
    "none": [],
    "negative prompt": [NegativePrompt("blood")],
    "SLD max": [MAX],
    "both": [NegativePrompt("blood"), MAX],
    "SLD twice": [SLD.of("medium", concept=("nudity", "blood"), sld_warmup_steps=3), MAX],
}
PROMPTS = [Prompt("a cat"), Prompt("a dog on a boat, in a long text", negative="rain")]


def noise(b, scheduler):
    return draw([torch.Generator().manual_seed(seed) for seed in range(b)], (4, 8, 8), "cpu")


def ours(pipe, methods, scale=7.5, steps=10, n=2):
    """The last latents of our loop, n pictures a prompt."""
    model, ours = backbone(pipe), solver(name_of(pipe.scheduler), steps, pipe.scheduler)
    prompts = [prompt for prompt in PROMPTS for _ in range(n)]
    asked = [rows(prompt, methods) for prompt in prompts]
    conds = {
        row: condition(model, row, [named[row] for named in asked], prompts, methods) for row in asked[0]
    }
    x = noise(len(prompts), pipe.scheduler) * ours.init_scale
    *_, step = denoise(model, ours, conds, x, scale=scale, methods=methods)
    return step.next


def guarded(pipe, methods, scale=7.5, steps=10, n=2, **more):
    """The same of the pipeline."""
    with Door(pipe) as door, door.run(PROMPTS, n, methods) as run:
        return pipe(
            **run.texts, num_images_per_prompt=n, latents=noise(n * len(PROMPTS), pipe.scheduler),
            num_inference_steps=steps, guidance_scale=scale, output_type="latent", **more,
        ).images  # fmt: skip


SCHEDULERS = [
    ("epsilon", diffusers.DDIMScheduler),
    ("epsilon", diffusers.EulerDiscreteScheduler),
    ("epsilon", diffusers.PNDMScheduler),
    ("epsilon", diffusers.HeunDiscreteScheduler),
    ("epsilon", diffusers.DPMSolverMultistepScheduler),
    ("v_prediction", diffusers.DDIMScheduler),
]


@pytest.mark.parametrize(("prediction", "scheduler"), SCHEDULERS)
@pytest.mark.parametrize("methods", CASES.values(), ids=CASES.keys())
def test_equal_bits(prediction, scheduler, methods):
    pipe = tiny.sd(prediction, scheduler)
    assert torch.equal(guarded(pipe, methods), ours(pipe, methods))
