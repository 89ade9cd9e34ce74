"""A batched rollout gives each sample its own number of steps, as if it had been alone."""

from __future__ import annotations

import pytest
import torch

from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.diffusion.solvers import solver
from safelight.training.rollouts import rollout, stopped

N = 5


def conds(model):
    return {"uncond": model.encode([""]), "prompt": model.encode(["a cat"])}


def after(model, x, steps, name="ddim", start=0):
    rngs = [torch.Generator() for _ in steps]
    return stopped(model, solver(name, N, model.scheduler), conds(model), x, 3.0, steps, rngs, start)


def test_each_sample_stops_on_its_own(model, reference):
    noise = torch.randn(4, 4, 8, 8, dtype=torch.float64)
    steps = [3, 0, N, 1]
    together = after(model, noise, steps)
    for j, n in enumerate(steps):
        alone = reference.sample(reference.unet, "a cat", noise[j : j + 1], n, N)
        torch.testing.assert_close(together[j : j + 1], alone, rtol=1e-11, atol=1e-11)
    assert torch.equal(together[1], noise[1])


@pytest.mark.parametrize("name", ["euler", "pndm", "dpm++"])
def test_other_solvers_do_too(model, name):
    noise = torch.randn(3, 4, 8, 8, dtype=torch.float64) * solver(name, N, model.scheduler).init_scale
    together = after(model, noise, [4, 1, 3], name)
    for j, n in enumerate([4, 1, 3]):
        torch.testing.assert_close(together[j : j + 1], after(model, noise[j : j + 1], [n], name))


def test_each_sample_has_its_own_text(model):
    noise, texts = torch.randn(2, 4, 8, 8, dtype=torch.float64), ["a cat", "rain"]
    rows = conds(model) | {"prompt": model.encode(texts)}
    rngs = [torch.Generator()] * 2
    together = stopped(model, solver("ddim", N, model.scheduler), rows, noise, 3.0, [1, 3], rngs)
    for j, n in enumerate([1, 3]):
        rows = conds(model) | {"prompt": model.encode([texts[j]])}
        ddim = solver("ddim", N, model.scheduler)
        alone = stopped(model, ddim, rows, noise[j : j + 1], 3.0, [n], rngs[:1])
        torch.testing.assert_close(together[j : j + 1], alone, rtol=1e-11, atol=1e-11)


def test_start_leaves_out_the_noisiest_steps(model, reference):
    noise = torch.randn(1, 4, 8, 8, dtype=torch.float64)
    x = after(model, noise, [2], start=1)
    torch.testing.assert_close(x, reference.sample(reference.unet, "a cat", noise, 2, N, start=1))


def test_no_row_is_predicted_that_nobody_needs(model, rows):
    after(model, torch.randn(3, 4, 8, 8, dtype=torch.float64), [1, 3, 0])
    assert rows == [4, 2, 2]


def test_a_solver_with_memory_keeps_its_batch(model, rows):
    after(model, torch.randn(3, 4, 8, 8, dtype=torch.float64), [1, 3, 0], "pndm")
    assert rows == [6, 6, 6]


def test_what_is_given_is_the_networks_input():
    model = backbone(tiny.sd())
    noise = torch.randn(1, 4, 8, 8)
    seen = []
    model.net.register_forward_pre_hook(lambda _, args: seen.append(args[0][:1]))
    steps = solver("euler", N, model.scheduler)
    got = list(rollout(model, steps, conds(model), noise * steps.init_scale, 3.0))
    assert [step.i for _, step in got] == list(range(N))
    assert all(torch.equal(x, other) for (x, _), other in zip(got, seen, strict=True))


def test_more_steps_than_there_are_is_an_error(model):
    with pytest.raises(ValueError, match=f"before step {N + 1}"):
        after(model, torch.randn(1, 4, 8, 8, dtype=torch.float64), [N + 1])
