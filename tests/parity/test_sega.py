"""SEGA against a plain transcription of its equations, and against diffusers' retired pipeline."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import diffusers
import pytest
import torch
from diffusers.pipelines.deprecated.semantic_stable_diffusion import SemanticStableDiffusionPipeline

from safelight.core.nouns import Moment
from safelight.core.quantiles import quantiles
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.diffusion.denoise import denoise
from safelight.diffusion.load import load
from safelight.diffusion.solvers import draw, name_of, solver
from safelight.diffusion.vectors import record
from safelight.methods.guidance.guidance_vectors import GuidanceVectors
from safelight.methods.guidance.sega import BY_CONCEPT, SEGA

N, SCALE, SHAPE = 20, 7.5, (3, 4, 6, 10)
NEVER = 10**6
TEXTS = ("rain", "a boat", "nudity")


def transcription(predictions, edits, s_m, beta_m):
    """The guided predictions, and the kept elements of each concept, step by step."""
    nu = torch.zeros(SHAPE, dtype=torch.float64)
    for i, (e0, ep, *concepts) in enumerate(predictions):
        psis, weights = [], []
        for e_c, (reverse, s_c, _, k_c, q_c, g_c) in zip(concepts, edits, strict=True):
            psi = (e_c - e0) * s_c
            if reverse:
                psi = -psi
            eta = torch.quantile(psi.abs().flatten(2), q_c, dim=2)[:, :, None, None]
            cooled = i >= (NEVER if k_c is None else k_c)
            psis.append(torch.zeros_like(psi) if cooled else torch.where(psi.abs() >= eta, psi, 0))
            weights.append(0.0 if cooled else g_c)
        gamma = sum(g * psi for g, psi in zip(weights, psis, strict=True)) + s_m * nu
        nu = beta_m * nu + (1 - beta_m) * gamma
        warm = [c for c, edit in enumerate(edits) if i >= edit[2]]
        if len(warm) < len(edits):
            total = sum(weights[c] for c in warm)
            gamma = sum(weights[c] / total * psis[c] for c in warm) if total else 0.0
        yield e0 + SCALE * (ep - e0) + gamma, [psi != 0 for psi in psis]


def predictions(concepts):
    rng = torch.Generator().manual_seed(0)
    for _ in range(N):
        yield [torch.randn(SHAPE, generator=rng, dtype=torch.float64) for _ in range(2 + concepts)]


SETTINGS = {
    "medium": SEGA.of("medium", concept=TEXTS),
    "strong": SEGA.of("strong", concept=TEXTS),
    "max": SEGA.of("max", concept=TEXTS),
    "towards": SEGA("rain", reverse_editing_direction=False, edit_warmup_steps=0),
    "no momentum": SEGA(TEXTS, edit_warmup_steps=(3, 0, 8), edit_cooldown_steps=12, edit_momentum_scale=0),
    "a momentum of nothing": SEGA(TEXTS, edit_warmup_steps=(3, 0, 8), edit_mom_beta=1),
    "each its own": SEGA(
        TEXTS,
        reverse_editing_direction=(True, False, True),
        edit_guidance_scale=(4, 5.4, 0.5),
        edit_warmup_steps=(5, 2, 9),
        edit_cooldown_steps=(12, None, 15),
        edit_threshold=(0.0, 0.925, 1.0),
        edit_weights=(1, 1.2, 0.3),
        edit_momentum_scale=0.5,
        edit_mom_beta=0.6,
    ),
    "cooled before the others are warm": SEGA(
        TEXTS, edit_warmup_steps=(1, 2, 10), edit_cooldown_steps=(4, 6, 14), edit_mom_beta=0
    ),
}


@pytest.mark.parametrize("sega", SETTINGS.values(), ids=SETTINGS)
def test_formula(sega):
    edits = [edit[2:] for edit in sega.edits]
    state, kept = sega.start(), {edit.row: [] for edit in sega.edits}
    reference = transcription(predictions(len(edits)), edits, sega.edit_momentum_scale, sega.edit_mom_beta)
    for i, ((e0, ep, *concepts), (expected, masks)) in enumerate(
        zip(predictions(len(edits)), reference, strict=True)
    ):
        here = Moment(i, N, torch.tensor(0), ep, 0.6, 0.8, "epsilon", SCALE, decode=lambda x: x)
        rows = {edit.row: e_c for edit, e_c in zip(sega.edits, concepts, strict=True)}
        raw = {"uncond": e0, "prompt": ep} | {row: rows[row] for row in sega.active(i, N)}
        guided = e0 + (SCALE * (ep - e0) + sega.term(here, raw, state))
        assert (guided - expected).abs().max() <= 1e-12, i
        for edit, mask in zip(sega.edits, masks, strict=True):
            if edit.warmup <= i < (edit.cooldown or NEVER):
                kept[edit.row].append(mask.double().flatten(1).mean(1))
    shares = torch.stack([torch.stack(parts).mean(0) for parts in kept.values()], 1)
    reported = torch.tensor([report["shares"] for report in sega.report(state, 3)])
    assert torch.allclose(reported.double(), shares, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_quantiles_have_the_bits_of_torchs(dtype):
    """Also where values are equal, or neighbours in floating point, and where the rank needs rounding."""
    rng = torch.Generator().manual_seed(0)
    qs = [0.0, 0.1, 0.5, 0.75, 0.9, 0.925, 0.96, 0.99, 1.0]
    for n, steps in itertools.product([1, 2, 11, 64, 256, 1000], [3, 2**24, 2**40]):
        x = torch.rand(len(qs), 2, 3, n, generator=rng, dtype=torch.float64)
        x = (1 + (x * steps).round() / steps).to(dtype)
        expected = torch.stack(
            [torch.quantile(part, q, dim=-1, keepdim=True) for part, q in zip(x, qs, strict=True)]
        )
        assert torch.equal(quantiles(x, qs), expected), (n, steps)
        for j, q in enumerate(qs):
            assert torch.equal(quantiles(x[j : j + 1], [q]), expected[j : j + 1]), (n, steps, q)


ONE, TWO = ["a cat"], ["a cat", "a dog on a boat"]
SEVERAL = SEGA(
    TEXTS[:2],
    reverse_editing_direction=(True, False),
    edit_guidance_scale=(4, 5.4),
    edit_warmup_steps=(3, 6),
    edit_threshold=(0.9, 0.75),
    edit_weights=(1, 1.5),
)
RUNS = {
    "one concept": (SEGA("nudity"), diffusers.DDIMScheduler, ONE, 0),
    "pndm": (SEGA.of("strong", concept="nudity"), diffusers.PNDMScheduler, TWO, 0),
    "max": (SEGA.of("max", concept=TEXTS), diffusers.DDIMScheduler, TWO, 0),
    "several": (SEVERAL, diffusers.DDIMScheduler, TWO, 0),
    # Rows that are no longer predicted change the shape of the batch, and so the rounding.
    "skipping": (replace(SEVERAL, edit_cooldown_steps=(12, 15)), diffusers.DDIMScheduler, ONE, 1e-5),
}


@pytest.mark.parametrize(("sega", "scheduler", "prompts", "rounding"), RUNS.values(), ids=RUNS)
def test_equal_to_the_pipeline_of_diffusers(sega, scheduler, prompts, rounding):
    """Bit for bit where both predict the same rows."""
    parts = tiny.sd(scheduler=scheduler).components
    del parts["image_encoder"]
    pipe = SemanticStableDiffusionPipeline(**parts, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    seen, rngs = [], [torch.Generator().manual_seed(seed) for seed in range(len(prompts))]
    latents = draw(rngs, (4, 8, 8), "cpu")
    each: dict[str, Any] = {name: [edit[2 + k] for edit in sega.edits] for k, name in enumerate(BY_CONCEPT)}
    if sega.edit_cooldown_steps is None:
        each["edit_cooldown_steps"] = None  # theirs knows no end only for all at once
    pipe(
        prompts, latents=latents, num_inference_steps=N, guidance_scale=SCALE, output_type="latent",
        editing_prompt=[edit.text for edit in sega.edits], edit_momentum_scale=sega.edit_momentum_scale,
        edit_mom_beta=sega.edit_mom_beta, callback=lambda i, t, x: seen.append(x), **each,
    )  # fmt: skip

    model = backbone(pipe)
    rows = {"uncond": model.encode([""] * len(prompts)), "prompt": model.encode(prompts)}
    own = {f"0:{edit.row}": model.encode([edit.text]) for edit in sega.edits}

    def ours(rows, methods):
        steps = solver(name_of(pipe.scheduler), N, pipe.scheduler)
        *_, step = denoise(model, steps, rows, latents, scale=SCALE, methods=methods)
        return step.next

    largest = seen[-1].abs().max()
    assert (ours({**rows, **own}, [sega]) - seen[-1]).abs().max() <= rounding * largest
    assert (ours(rows, []) - seen[-1]).abs().max() > 1e-3 * largest, "SEGA did nothing here"


def test_vectors_are_those_that_the_pipeline_of_diffusers_keeps_and_takes(tmp_path):
    parts = tiny.sd(scheduler=diffusers.DDIMScheduler).components
    del parts["image_encoder"]
    pipe: Any = SemanticStableDiffusionPipeline(**parts, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    generator = load(pipe)
    sampling = replace(generator.sampling, steps=N, guidance=SCALE, height=16, width=16)
    sega = SEGA("nudity", edit_warmup_steps=3)
    record(tmp_path / "vectors.safetensors", generator, "a cat", 0, [sega], sampling)
    method = GuidanceVectors(str(tmp_path / "vectors.safetensors"))
    vectors = method.vectors
    [latents, others] = (draw([torch.Generator().manual_seed(k)], (4, 8, 8), "cpu") for k in (0, 1))
    asked: dict[str, Any] = {"num_inference_steps": N, "guidance_scale": SCALE, "output_type": "latent"}
    pipe(
        "a cat", latents=latents, editing_prompt=["nudity"], reverse_editing_direction=[True],
        edit_guidance_scale=sega.edit_guidance_scale, edit_warmup_steps=3, edit_threshold=0.9,
        edit_momentum_scale=sega.edit_momentum_scale, edit_mom_beta=sega.edit_mom_beta, **asked,
    )  # fmt: skip
    kept = pipe.sem_guidance[:N, 0]
    assert kept[3:].abs().amax((1, 2, 3)).min() > 1e-3
    assert (vectors - kept).abs().max() <= 1e-5 * kept.abs().max()

    theirs = pipe("a dog", latents=others, sem_guidance=list(vectors[:, None]), **asked).images
    [ours] = generator.run(["a dog"], [1], [method], sampling)
    assert (ours.latent - theirs[0]).abs().max() <= 1e-5 * theirs.abs().max()
