"""The fast schedule trains on diffusers' own trajectories; what the exact savings save, in rows and calls."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.training.buffer import TRAJECTORIES, Buffer
from safelight.training.esd import AHEAD, ESD
from safelight.training.fit import FILE, Plan, draw, fit
from safelight.training.sdd import DRIFT_EVERY, SDD
from safelight.training.sdd_anchored import AnchoredSDD

N, B = 5, TRAJECTORIES
CONCEPTS = ("a cat", "rain")
TIMES = [801, 601, 401, 201, 1]
FAST: dict[str, Any] = {"pairing": "trajectory", "solver_steps": N}


def diverted(net):
    """The trained tensors moved, as after some steps."""
    with torch.no_grad():
        for name, p in net.named_parameters():
            if "attn2" in name:
                p.mul_(1.1)


def taken(objective, steps, seed=0):
    return [objective.batch(k, draw(seed, k)) for k in range(steps)]


def trajectories(reference, texts, rng):
    """[N, B, c, h, w] by diffusers' DDIM, one step more each, from the noise that `rng` draws."""
    noise = torch.randn(B, 4, 8, 8, generator=rng).double()

    def after(n):
        parts = zip(texts, noise.split(1), strict=True)
        return torch.cat([reference.sample(reference.unet, text, x, n, N) for text, x in parts])

    return torch.stack([after(n) for n in range(N)])


def test_sdd_trains_on_every_latent_of_the_teachers_trajectories_once(model, reference):
    b = 3
    with SDD(model, CONCEPTS, **FAST, batch_size=b) as sdd:
        diverted(model.net)  # the student; the teacher is still the original
        batches = taken(sdd, N * B // b)
    rng = draw(0, 0)
    z = trajectories(reference, ["a cat, rain"] * B, rng).flatten(0, 1)
    order = torch.randperm(N * B, generator=rng)[: N * B // b * b]
    assert [int(t) for batch in batches for t in batch.t] == [TIMES[k // B] for k in order.tolist()]
    torch.testing.assert_close(torch.cat([batch.x for batch in batches]), z[order], rtol=1e-10, atol=1e-10)
    assert [batch.texts for batch in batches[:3]] == [["a cat"] * b, ["rain"] * b, ["a cat"] * b]


@pytest.mark.parametrize(
    ("recipe", "eta", "f"), [("2025", 2.0, None), ("2025", 2.0, "a boat"), ("alt", 1.5, None)]
)
def test_esd_trains_on_the_targets_of_its_equation(model, reference, recipe, eta, f):
    """The original's predictions, also where sampling has made them: and the original samples in 2025."""
    with ESD(model, CONCEPTS, recipe, eta=eta, erase_from=f, **FAST) as esd:
        diverted(model.net)
        batches = taken(esd, N * B)
    rng = draw(0, 0)
    picked = [int(torch.randint(2, (), generator=rng)) for _ in range(B)]
    assert set(picked) == {0, 1}
    original = {name: value.clone() for name, value in reference.unet.state_dict().items()}
    if recipe == "alt":  # the student samples
        diverted(reference.unet)
    x = trajectories(reference, [f or CONCEPTS[k] for k in picked], rng).flatten(0, 1)
    reference.unet.load_state_dict(original)
    for batch, k in zip(batches, torch.randperm(N * B, generator=rng).tolist(), strict=True):
        concept, t = CONCEPTS[picked[k % B]], TIMES[k // B]
        torch.testing.assert_close(batch.x, x[k : k + 1], rtol=1e-10, atol=1e-10)
        assert (batch.texts, int(batch.t)) == ([f or concept], t)
        with torch.no_grad():
            e = {text: reference.predict(reference.unet, batch.x, t, text) for text in ("", concept, f or "")}
        anchor = e[f] if f else e[concept] if recipe == "2025" else e[""]
        torch.testing.assert_close(batch.target, anchor - eta * (e[concept] - e[""]), rtol=1e-9, atol=1e-9)


def test_rows_of_the_fast_schedule(model, rows):
    """2 a latent to sample, and what a step needs: one of the student, with or without targets of its own."""
    updates, b = 12, 2
    assert updates <= N * B // b
    plan, kinds = Plan(updates, 1e-4), {}
    for name, make in {
        "sdd": lambda: SDD(model, CONCEPTS, **FAST, batch_size=b),
        "anchored": lambda: AnchoredSDD(model, CONCEPTS, **FAST, batch_size=b),
        "student": lambda: ESD(model, CONCEPTS, "classic", **FAST, batch_size=b),
        "original": lambda: ESD(model, CONCEPTS, "2025", **FAST, batch_size=b),
    }.items():
        rows.clear()
        with make() as objective:
            for k in range(updates):
                objective.loss(objective.batch(k, draw(0, k)))
        kinds[name] = sum(rows)
    drift = -(-plan.steps // DRIFT_EVERY) * b
    assert kinds["sdd"] == kinds["anchored"] == 2 * B * N + 2 * updates * b + drift
    assert kinds["student"] == 2 * B * N + 2 * B * N + updates * b
    assert kinds["original"] == 2 * B * N + updates * b


def steps_of(recipe_draws, k, b, n):
    """The numbers of solver steps that step k draws, `recipe_draws` draws of one before the noise."""
    rng = draw(0, k)
    for _ in range(recipe_draws):
        torch.randint(1, (), generator=rng)
    torch.randn(b, 4, 8, 8, generator=rng)
    return [int(torch.randint(n, (), generator=rng)) for _ in range(b)]


def test_rows_of_the_published_schedule(model, rows):
    """2 for each solver step that a latent takes itself, not for as many as the longest of its batch."""
    b, updates = 3, 6
    taken_steps = [steps_of(0, k, b, N) for k in range(updates)]
    with SDD(model, "rain", solver_steps=N, batch_size=b) as sdd:
        for k in range(updates):
            sdd.loss(sdd.batch(k, draw(0, k)))
    assert sum(rows) == sum(2 * n + 2 for ns in taken_steps for n in ns) + b  # the drift of step 0
    longest = sum((2 * max(ns) + 2) * b for ns in taken_steps) + b
    assert sum(rows) < 0.85 * longest


def test_steps_that_the_original_samples_are_drawn_together(model, rows):
    """As many rows as one by one, in far fewer calls; which latents and targets come is the same."""
    with ESD(model, CONCEPTS, solver_steps=N) as esd:
        ahead = taken(esd, AHEAD)
        calls, total = len(rows), sum(rows)
        rows.clear()
        esd._buffer = Buffer(1, 1)
        alone = taken(esd, AHEAD)
    assert total == sum(rows) == sum(2 * steps_of(1, k, 1, N)[0] + 2 for k in range(AHEAD))
    assert calls <= N < len(rows)
    for a, c in zip(ahead, alone, strict=True):
        assert (a.texts, int(a.t)) == (c.texts, int(c.t))
        torch.testing.assert_close(a.x, c.x, rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(a.target, c.target, rtol=1e-11, atol=1e-11)


SHORT = Plan(steps=9, lr=1e-3, seed=5)


@pytest.mark.parametrize(
    "make",
    [
        lambda model: SDD(model, CONCEPTS, pairing="trajectory", solver_steps=3, batch_size=6, ema=0.5),
        lambda model: ESD(model, CONCEPTS, "classic", pairing="trajectory", solver_steps=3, batch_size=6),
        lambda model: ESD(model, CONCEPTS, solver_steps=4),
    ],
    ids=["sdd", "esd of the student", "esd drawn ahead"],
)
def test_interrupted_goes_on_to_the_same_bits(tmp_path, make):
    """In the middle of a buffer (of 4 and 8 steps), at its last step, and after that."""

    def train(folder, stop=None):
        with make(backbone(tiny.sd())) as objective:

            def watch(row):
                if row.step == stop:
                    raise KeyboardInterrupt

            fit(objective, SHORT, folder, watch, every=0.0)
            return objective.result(SHORT).tensors, (folder / FILE).read_bytes()

    whole, file = train(tmp_path / "whole")
    for stop in (2, 4, 5, 8):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / str(stop), stop)
        parts, same = train(tmp_path / str(stop))
        assert all(torch.equal(parts[name], whole[name]) for name in whole)
        assert same == file


def test_a_buffer_is_filled_again_from_the_weights_of_then(model):
    with SDD(model, "rain", pairing="trajectory", solver_steps=3, batch_size=12, ema=0.0) as sdd:
        first, second = taken(sdd, 2)
        diverted(model.net)
        sdd.after_step()
        third = sdd.batch(2, draw(0, 0))  # the noise of step 0 again
    noisiest = [batch.x[batch.t == 667] for batch in (first, third)]
    assert all(len(x) for x in noisiest)
    assert torch.equal(noisiest[0], noisiest[1])  # pure noise
    assert not torch.allclose(first.x, third.x)
    assert not torch.equal(first.x, second.x)
