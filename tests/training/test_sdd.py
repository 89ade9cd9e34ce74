"""SDD against a plain transcription of its program, in float64, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from safelight.core.errors import BadInput, Refused, SafelightError
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.store.artifacts import tensor_hash
from safelight.training.fit import Plan, draw, fit
from safelight.training.sdd import DRIFT_EVERY, PLAN, SDD
from safelight.training.sdd_anchored import AnchoredSDD

N = 10
CONCEPTS = ("a cat", "rain", "fog")
FAST = Plan(steps=4, lr=1e-3, weight_decay=1e-4, clip=1.0, seed=5)


def transcription(reference, plan, pairing, ema, removed):
    """train_sdd.py's loop on the reference's own UNet. Returns losses, student and teacher."""
    student, teacher = reference.unet, {}
    chosen = {name: p for name, p in student.named_parameters() if "attn2" in name}
    student.requires_grad_(False)
    for name, p in chosen.items():
        p.requires_grad_(True)
        teacher[name] = p.detach().clone()
    optimiser = torch.optim.AdamW(chosen.values(), lr=plan.lr, weight_decay=plan.weight_decay)
    losses = []
    for step in range(plan.steps):
        rng = draw(plan.seed, step)
        noise = torch.randn(1, 4, 8, 8, generator=rng).double()
        n = int(torch.randint(N, (), generator=rng))
        t = 1000 // N * (N - 1 - n) + int(torch.randint(1000 // N, (), generator=rng))
        steps = N if n == 0 and pairing == "as-released" else n
        kept = {name: p.detach().clone() for name, p in chosen.items()}
        with torch.no_grad():
            for name, p in chosen.items():
                p.copy_(teacher[name])
            z = reference.sample(student, ", ".join(CONCEPTS), noise, steps, N)
            for name, p in chosen.items():
                p.copy_(kept[name])
            e0 = reference.predict(student, z, t, "")
        loss = nn.functional.mse_loss(e0, reference.predict(student, z, t, removed[step]))
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(chosen.values(), 1.0)
        optimiser.step()
        for name, p in chosen.items():
            teacher[name] = ema * teacher[name] + (1 - ema) * p.detach()
    return losses, chosen, teacher


@pytest.mark.parametrize(
    ("method", "pairing", "removed"),
    [
        ("iterative", "fixed", ["a cat", "rain", "fog", "a cat"]),
        ("composite", "as-released", ["a cat, rain, fog"] * 4),
        ("sequential", "as-released", ["a cat"] * 4),
        ("sequential", "fixed", ["a cat", "a cat", "rain", "rain"]),
    ],
)
def test_it_is_the_program(tmp_path, model, reference, method, pairing, removed):
    how: dict[str, Any] = {"concept_method": method, "pairing": pairing, "each": 2}
    with SDD(model, CONCEPTS, **how, ema=0.7, solver_steps=N) as sdd:
        rows = []
        fit(sdd, FAST, tmp_path, rows.append)
        losses, student, teacher = transcription(reference, FAST, pairing, 0.7, removed)
        assert [row.values["loss"] for row in rows] == pytest.approx(losses, rel=1e-9)
        assert sdd.parameters().keys() == student.keys()
        for name, value in student.items():
            torch.testing.assert_close(sdd.parameters()[name], value, rtol=1e-8, atol=1e-9)
            torch.testing.assert_close(sdd.teacher.mean[name], teacher[name], rtol=1e-8, atol=1e-9)
        assert any((student[name] - teacher[name]).abs().max() > 1e-4 for name in teacher)


def test_a_clean_latent_is_made_as_released_and_noise_when_fixed(model):
    """A step whose draw is n = 0."""
    step = next(k for k in range(100) if _n(k) == 0)
    noise = torch.randn(1, 4, 8, 8, generator=draw(0, step)).double()
    for pairing, clean in (("fixed", False), ("as-released", True)):
        how: dict[str, Any] = {"pairing": pairing}
        with SDD(model, "rain", **how, solver_steps=N) as sdd:
            batch = sdd.batch(step, draw(0, step))
        assert 900 <= int(batch.t) < 1000
        assert torch.equal(batch.x, noise) != clean


def _n(step):
    rng = draw(0, step)
    torch.randn(1, 4, 8, 8, generator=rng)
    return int(torch.randint(N, (), generator=rng))


def test_random_draws_every_concept(model):
    with SDD(model, CONCEPTS, concept_method="random", solver_steps=5) as sdd:
        assert {sdd.batch(k, draw(0, k)).texts[0] for k in range(12)} == set(CONCEPTS)


def test_interrupted_goes_on_to_the_same_bits(tmp_path):
    def train(folder, stop=None):
        model = backbone(tiny.sd())
        with SDD(model, "rain", ema=0.9, solver_steps=5, batch_size=2) as sdd:

            def watch(row):
                if row.step == stop:
                    raise KeyboardInterrupt

            fit(sdd, FAST, folder, watch, every=0.0)
            return sdd.result(FAST).tensors

    whole = train(tmp_path / "whole")
    for stop in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / str(stop), stop)
        parts = train(tmp_path / str(stop))
        assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_the_model_is_as_it_was_and_the_result_says_of_which_base(tmp_path):
    pipe = tiny.sd()
    pipe.unet.conv_in.requires_grad_(False)
    before = {name: value.clone() for name, value in pipe.unet.state_dict().items()}
    flags = [p.requires_grad for p in pipe.unet.parameters()]
    results = {}
    for end in ("teacher", "student"):
        how: dict[str, Any] = {"end": end}
        with SDD(backbone(pipe), CONCEPTS, **how, solver_steps=5) as sdd:
            learning = {name for name, p in pipe.unet.named_parameters() if p.requires_grad}
            assert learning == set(sdd.parameters())  # the others cost no gradient
            fit(sdd, FAST, tmp_path / end)
            results[end] = sdd.result(FAST)
    assert all(torch.equal(before[name], value) for name, value in pipe.unet.state_dict().items())
    assert [p.requires_grad for p in pipe.unet.parameters()] == flags
    tensors, manifest = results["student"].tensors, results["student"].manifest
    before = {f"unet.{name}": value for name, value in before.items() if "attn2" in name}
    assert tensors.keys() == before.keys()
    assert manifest.base == {name: tensor_hash(value) for name, value in before.items()}
    assert (manifest.kind, manifest.method, manifest.family) == ("full", "sdd", "sd")
    assert manifest.config["concept"] == CONCEPTS
    assert manifest.config["plan"]["steps"] == FAST.steps
    name = next(iter(before))
    moved = {end: float((made.tensors[name] - before[name]).norm()) for end, made in results.items()}
    assert 0 < moved["teacher"] < 0.1 * moved["student"]  # m = 0.999, four steps


def test_published_plan_and_defaults():
    assert Plan(1500, 1e-5, (0.9, 0.999), 1e-8, 1e-4, 1.0) == PLAN
    default = {
        field: SDD.__dataclass_fields__[field].default for field in ("group", "ema", "guidance", "batch_size")
    }
    assert default == {"group": "xattn", "ema": 0.999, "guidance": 3.0, "batch_size": 1}


def test_the_anchored_variant_aims_at_the_original(tmp_path, model, reference):
    """After some steps: its target is the frozen original's, SDD's is the student's own; both say how far
    apart the two are, as often as they promise."""
    plan, drifts = Plan(2 * DRIFT_EVERY + 1, 1e-3), {}
    for kind in (SDD, AnchoredSDD):
        rows = []
        with kind(model, "rain", ema=0.9, solver_steps=N) as sdd:
            fit(sdd, plan, tmp_path / kind.name, rows.append)
            batch = sdd.batch(0, draw(9, 0))
            original = reference.predict(reference.unet, batch.x, batch.t, "")
            own = model.predict(batch.x, batch.t, model.encode([""]))
            assert sdd.result(plan).manifest.method == kind.name
        aim, other = (original, own) if kind is AnchoredSDD else (own, original)
        torch.testing.assert_close(batch.target, aim, rtol=1e-9, atol=1e-9)
        assert (batch.target - other).abs().max() > 1e-3
        torch.testing.assert_close(batch.seen["drift"], (own - original).square().mean())
        drifts[kind.name] = {row.step: row.values["drift"] for row in rows if "drift" in row.values}
    for seen in drifts.values():
        assert list(seen) == [1, 1 + DRIFT_EVERY, 1 + 2 * DRIFT_EVERY]
        assert seen[1] == 0 < seen[1 + DRIFT_EVERY]


LONG = " ".join(["word"] * 60)
BAD = {
    "no concept": ({"concept": ()}, "concept must be"),
    "empty concept": ({"concept": " "}, "concept must not be empty"),
    "twice": ({"concept": ("rain", "fog", "rain")}, "'rain' twice"),
    "unknown method": ({"concept_method": "itertive"}, "Did you mean 'iterative'"),
    "unknown pairing": ({"pairing": "exactly"}, "unknown pairing"),
    "more than a buffer": ({"pairing": "trajectory", "batch_size": 401}, "at most the 400 latents"),
    "unknown end": ({"end": "pupil"}, "unknown end"),
    "unknown group": ({"group": "attn3"}, "parameter group of 'sdd'"),
    "decay 1": ({"ema": 1.0}, "ema must be"),
    "no guidance": ({"guidance": 1.0}, "guidance must be"),
    "steps": ({"solver_steps": 30}, "must divide the 1000"),
    "no latents": ({"batch_size": 0}, "batch_size must be"),
    "never on": ({"each": 0}, "each must be"),
    "joined too long": ({"concept": ("rain", LONG, f"{LONG} too")}, "cut: .* too$"),
    "no word at all": ({"concept": "\u200b"}, "says nothing to the text encoder"),
    "one too long": ({"concept": f"{LONG} {LONG}"}, "cut"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name_before_any_work(generator, case):
    settings, message = BAD[case]
    calls = []
    hook = generator.backbone.net.register_forward_hook(lambda *_: calls.append(1))
    flags = [p.requires_grad for p in generator.backbone.net.parameters()]
    with pytest.raises(SafelightError, match=message):
        SDD(generator.backbone, **{"concept": "rain", **settings})
    hook.remove()
    assert calls == []
    assert [p.requires_grad for p in generator.backbone.net.parameters()] == flags


def test_unfit_models_are_refused():
    with pytest.raises(BadInput, match=r"full precision, not torch\.bfloat16"):
        SDD(backbone(tiny.sd().to(torch.bfloat16)), "rain")
    with pytest.raises(Refused, match="DDIM's equal strides, which 'flux' has not"):
        SDD(backbone(tiny.flux()), "rain")


def test_no_file_is_written_before_a_refusal(tmp_path, generator):
    with pytest.raises(BadInput):
        fit(SDD(generator.backbone, ""), FAST, Path(tmp_path) / "run")
    assert list(tmp_path.iterdir()) == []
