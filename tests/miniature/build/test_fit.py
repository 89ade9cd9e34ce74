"""A training that is stopped and goes on makes the same bits; its schedule and its averages are as stated."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from safelight.core.errors import SafelightError
from safelight.miniature.build import fit as fitting
from safelight.miniature.build.fit import fit, rate
from safelight.miniature.build.progress import quiet
from safelight.miniature.build.recipe import Plan

PLAN = Plan(seed=1, steps=12, batch=4, adam=1e-2, muon=1e-2, warmup=3, hold=0.25)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 18, 3), nn.BatchNorm2d(18), nn.SiLU(), nn.Flatten(), nn.Linear(18, 18))


def objective(net, stop_at=None):
    def loss(step, rng):
        if step == stop_at:
            raise KeyboardInterrupt
        x = torch.randn(PLAN.batch, 3, 3, 3, generator=rng)
        return {"loss": (net(x) - x.flatten(1)[:, :18]).square().mean()}

    return loss


def run(folder, stop_at=None):
    net = network()
    return fit("toy", folder, net, objective(net, stop_at), PLAN, quiet)


def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "EVERY_SECONDS", -1)  # a checkpoint after every step
    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", stop_at=7)
    resumed = run(tmp_path / "parts")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    a, b = (load_file(tmp_path / part / "checkpoint.safetensors") for part in ("whole", "parts"))
    assert a.keys() == b.keys()
    assert {key.split("/")[0] for key in a} == {"net", "ema", "optimiser"}
    assert [key for key in a if not torch.equal(a[key], b[key])] == []


def test_finished_training_does_not_step_again(tmp_path):
    first = run(tmp_path)
    again = run(tmp_path, stop_at=0)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


def test_loss_falls_and_the_log_says_under_which_conditions(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "LOG_EVERY", 4)
    run(tmp_path)
    start, *rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert start["threads"] == torch.get_num_threads()
    assert start["versions"]["torch"] == torch.__version__.split("+")[0] or "+" in start["versions"]["torch"]
    assert [row["step"] for row in rows] == [4, 8, 12]
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "EVERY_SECONDS", -1)
    net = network()
    good = objective(net)

    def loss(step, rng):
        return {"loss": good(step, rng)["loss"] * (float("nan") if step == 5 else 1.0)}

    with pytest.raises(SafelightError, match="step 6"):
        fit("toy", tmp_path, net, loss, PLAN, quiet)
    kept = load_file(tmp_path / "checkpoint.safetensors")
    assert all(value.isfinite().all() for value in kept.values())


def test_rate_rises_stays_and_falls():
    plan = Plan(seed=0, steps=100, batch=1, adam=1.0, warmup=10, hold=0.4)
    assert rate(0, plan) == pytest.approx(0.101)
    assert rate(9, plan) == rate(40, plan) == pytest.approx(1.01)
    assert rate(70, plan) == pytest.approx(0.51)
    assert rate(99, plan) == pytest.approx(0.01, abs=1e-3)


def test_average_follows_weights_and_buffers():
    net = network()
    training = fitting.Training(net, PLAN)
    training.advance(objective(net))
    # after one step the memory is 1 / 21: the mean is nearly the new weight
    old = network().state_dict()
    for name, mean in training.ema.state_dict().items():
        now = net.state_dict()[name]
        expected = old[name] / 21 + now * 20 / 21 if now.is_floating_point() else now
        torch.testing.assert_close(mean, expected)
