"""What the parity tests of all families share: our loop on a live pipeline, and diffusers' own call."""

from __future__ import annotations

import torch

from safelight.diffusion.backbones import backbone
from safelight.diffusion.denoise import denoise
from safelight.diffusion.solvers import draw, name_of, solver

STEPS = 5
PROMPTS = ["a cat", "a dog on a boat in the rain, far away"]
NEGATIVE = ["rain", "fog, snow, wind"]
SIZES = [(16, 16), (16, 32)]


def rngs():
    return [torch.Generator().manual_seed(seed) for seed in range(2)]


def ours(pipe, rows, scale, size, inputs=None, **options):
    """Final latents of our loop for two samples; `rows`: texts by row."""
    model = backbone(pipe)
    model.inputs.update(inputs or {})
    steps = solver(name_of(pipe.scheduler), STEPS, pipe.scheduler, schedule=model.schedule(STEPS, *size))
    noise = rngs()
    x = draw(noise, model.latent_shape(*size), "cpu") * steps.init_scale
    conds = {row: model.encode(texts) for row, texts in rows.items()}
    *_, step = denoise(model, steps, conds, x, scale=scale, rngs=noise, **options)
    return step.next


def theirs(pipe, size, prompts=PROMPTS, **options):
    """Final latents of the pipeline's own call on the same noise."""
    options |= {"height": size[0], "width": size[1], "num_inference_steps": STEPS, "generator": rngs()}
    return pipe(prompts, output_type="latent", **options).images


def decoded(pipe, latents):
    with torch.no_grad():
        return backbone(pipe).decode(latents)
