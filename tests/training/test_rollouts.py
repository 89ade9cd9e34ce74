"""A batched rollout gives each sample its own number of steps, as if it had been alone."""

from __future__ import annotations

import pytest
import torch

from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.diffusion.solvers import solver
from safelight.training.rollouts import rollout, stopped

N = 5


def path(model, x, name="ddim", start=0):
    conds = {"uncond": model.encode([""]), "prompt": model.encode(["a cat"])}
    return rollout(model, solver(name, N, model.scheduler), conds, x, 3.0, start=start)


def test_each_sample_stops_on_its_own(model, reference):
    noise = torch.randn(4, 4, 8, 8, dtype=torch.float64)
    after = [3, 0, N, 1]
    together = stopped(path(model, noise), after)
    for j, n in enumerate(after):
        alone = reference.sample(reference.unet, "a cat", noise[j : j + 1], n, N)
        torch.testing.assert_close(together[j : j + 1], alone, rtol=1e-11, atol=1e-11)
    assert torch.equal(together[1], noise[1])


def test_start_leaves_out_the_noisiest_steps(model, reference):
    noise = torch.randn(1, 4, 8, 8, dtype=torch.float64)
    x = stopped(path(model, noise, start=1), [2])
    torch.testing.assert_close(x, reference.sample(reference.unet, "a cat", noise, 2, N, start=1))


def test_no_step_is_taken_that_nobody_needs(model):
    calls = []
    model.net.register_forward_hook(lambda *_: calls.append(1))
    stopped(path(model, torch.randn(2, 4, 8, 8, dtype=torch.float64)), [1, 3])
    assert len(calls) == 3


def test_what_is_given_is_the_networks_input():
    model = backbone(tiny.sd())
    noise = torch.randn(1, 4, 8, 8)
    seen = []
    model.net.register_forward_pre_hook(lambda _, args: seen.append(args[0][:1]))
    steps = solver("euler", N, model.scheduler)
    got = list(path(model, noise * steps.init_scale, "euler"))
    assert len(got) == N + 1
    assert all(torch.equal(a, b) for a, b in zip(got, seen, strict=False))


def test_more_steps_than_there_are_is_an_error(model):
    with pytest.raises(ValueError, match=f"before step {N + 1}"):
        stopped(path(model, torch.randn(1, 4, 8, 8, dtype=torch.float64)), [N + 1])
