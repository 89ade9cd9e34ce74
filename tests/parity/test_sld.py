"""SLD against a plain transcription of its formula, and against diffusers' retired pipeline."""

from __future__ import annotations

import diffusers
import pytest
import torch
from diffusers.pipelines.deprecated.stable_diffusion_safe import StableDiffusionPipelineSafe

from safelight.core.nouns import Moment
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.diffusion.denoise import denoise
from safelight.diffusion.solvers import draw, name_of, solver
from safelight.methods.guidance.sld import FIELDS, SLD

N, SCALE, SHAPE = 20, 7.5, (3, 4, 6, 10)


def transcription(predictions, s_S, delta, threshold, s_m, beta_m):
    """The guided predictions of the official loop, and mu, step by step."""
    nu = torch.zeros(SHAPE, dtype=torch.float64)
    for i, (e0, ep, eS) in enumerate(predictions):
        d = ep - eS
        mu = torch.where(d >= threshold, torch.zeros_like(d), torch.clamp(d.abs() * s_S, max=1.0))
        gamma = (eS - e0) * mu + s_m * nu
        nu = beta_m * nu + (1 - beta_m) * gamma
        guidance = ep - e0 - gamma if i >= delta else ep - e0
        yield e0 + SCALE * guidance, mu


def predictions(threshold):
    """Random predictions, near enough for phi below 1 to occur, with d exactly lambda in one corner."""
    rng = torch.Generator().manual_seed(0)
    for _ in range(N):
        e0, ep, noise = (torch.randn(SHAPE, generator=rng, dtype=torch.float64) for _ in range(3))
        eS = ep + noise * 10 ** (-4 * torch.rand(SHAPE, generator=rng, dtype=torch.float64))
        ep[..., :2], eS[..., :2] = threshold, 0.0
        yield e0, ep, eS


def method(preset, **fields):
    """SLD and its five numbers in the order of the transcription."""
    sld = SLD.of(preset, concept="nudity", **fields)
    return sld, [getattr(sld, name) for name in FIELDS]


@pytest.mark.parametrize("preset", list(SLD.presets))
@pytest.mark.parametrize("warmup", [None, 0, N + 5])
def test_formula(preset, warmup):
    sld, numbers = method(preset, **({} if warmup is None else {"sld_warmup_steps": warmup}))
    state, shares = sld.start(), []
    reference = transcription(predictions(sld.sld_threshold), *numbers)
    for i, ((e0, ep, eS), (expected, mu)) in enumerate(
        zip(predictions(sld.sld_threshold), reference, strict=True)
    ):
        here = Moment(i, N, torch.tensor(0), ep, 0.6, 0.8, "epsilon", SCALE, decode=lambda x: x)
        skipped = sld.active(i, N) == frozenset()
        raw = {"uncond": e0, "prompt": ep} | ({} if skipped else {"concept 1": eS})
        guided = e0 + SCALE * (ep - e0 + sld.term(here, raw, state))
        assert (guided - expected).abs().max() <= 1e-12
        if i >= sld.sld_warmup_steps:
            shares.append((mu > 0).double().flatten(1).mean(1))
    reports = sld.report(state, 3)
    assert [len(report["steps"]) for report in reports] == [len(shares)] * 3
    if shares:
        expected = torch.stack(shares).mean(0)
        assert torch.allclose(torch.tensor([r["share"] for r in reports]).double(), expected, atol=1e-6)
        assert 0.05 < expected.min() <= expected.max() < 0.95


RUNS = [
    (torch.float32, "medium", diffusers.PNDMScheduler),
    (torch.float64, "max", diffusers.DDIMScheduler),
    *((torch.float32, preset, diffusers.DDIMScheduler) for preset in SLD.presets),
]


@pytest.mark.filterwarnings("ignore:.*decode_latents:FutureWarning")
@pytest.mark.parametrize(("dtype", "preset", "scheduler"), RUNS)
def test_bit_equal_to_the_pipeline_of_diffusers(dtype, preset, scheduler):
    sld, _ = method(preset)
    pipe = StableDiffusionPipelineSafe(
        **tiny.sd(scheduler=scheduler).components, requires_safety_checker=False
    )
    pipe.set_progress_bar_config(disable=True)
    pipe.to(dtype)
    pipe.safety_concept = "nudity"
    prompts, seen = ["a cat", "a dog on a boat"], []
    latents = draw([torch.Generator().manual_seed(seed) for seed in (0, 1)], (4, 8, 8), "cpu").to(dtype)
    pipe(
        prompts, latents=latents, num_inference_steps=N, guidance_scale=SCALE, output_type="np",
        callback=lambda i, t, x: seen.append(x), **SLD.presets[preset],
    )  # fmt: skip

    model, steps = backbone(pipe), solver(name_of(pipe.scheduler), N, pipe.scheduler)
    rows = {"uncond": model.encode(["", ""]), "prompt": model.encode(prompts)}
    guided = {**rows, "0:concept 1": model.encode(["nudity"])}
    *_, step = denoise(model, steps, guided, latents, scale=SCALE, methods=[sld])
    assert torch.equal(step.next, seen[-1])

    *_, plain = denoise(model, solver(name_of(pipe.scheduler), N, pipe.scheduler), rows, latents, scale=SCALE)
    assert (plain.next - seen[-1]).abs().max() / seen[-1].abs().max() > 1e-3, "SLD did nothing here"
