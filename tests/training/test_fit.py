"""A training that is stopped anywhere goes on to the same bits; a step that is not finite changes nothing."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from safelight.core.errors import BadInput, Damaged
from safelight.training.ema import EMA
from safelight.training.fit import FILE, Diverged, Plan, draw, fit

PLAN = Plan(steps=8, lr=1e-2, weight_decay=0.1, clip=1.0, seed=3)


class Toy:
    """Two weights, one of which gets no gradient before step 2, and an average as state."""

    def __init__(self, fail=None, poison=None, wait=0.0, seed=0):
        torch.manual_seed(seed)
        self.net = nn.ParameterDict({"early": torch.randn(5, 3), "late": torch.randn(3)})
        self.ema = EMA(self.parameters(), 0.9)
        self.fail, self.poison, self.wait = fail, poison, wait

    config = {"toy": (1, 2)}  # noqa: RUF012

    def parameters(self):
        return dict(self.net.named_parameters())

    def batch(self, step, rng):
        time.sleep(self.wait)
        return step, torch.randn(4, 5, generator=rng)

    def loss(self, batch):
        step, x = batch
        if step == self.fail:
            raise KeyboardInterrupt
        out = x @ self.net["early"] + (self.net["late"] if step >= 2 else 0)
        loss = (out - 1).square().mean()
        if self.poison is not None and step == self.poison[0]:
            loss = self.poison[1](loss, self.net["early"])
        return {"loss": loss, "size": out.abs().mean()}

    def after_step(self):
        self.ema.update()

    def state_dict(self):
        return self.ema.state_dict()

    def load_state_dict(self, state):
        self.ema.load_state_dict(state)


def state(toy):
    """Everything a training leaves in memory, as one hash."""
    total = hashlib.sha256()
    for tensors in (toy.parameters(), toy.ema.mean):
        for value in tensors.values():
            total.update(value.detach().numpy().tobytes())
    return total.hexdigest()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The uninterrupted run: its final state, its checkpoint and its rows."""
    folder, toy, rows = tmp_path_factory.mktemp("whole"), Toy(), []
    fit(toy, PLAN, folder, rows.append)
    return state(toy), (folder / FILE).read_bytes(), rows


@pytest.mark.parametrize("step", range(PLAN.steps))
@pytest.mark.parametrize("every", [0.0, 60.0])
def test_interrupted_at_any_step_ends_in_the_same_bits(tmp_path, whole, step, every):
    rows = []
    with pytest.raises(KeyboardInterrupt):
        fit(Toy(fail=step), PLAN, tmp_path, rows.append, every)
    toy = Toy(seed=1)  # what a checkpoint holds must not come from the new process
    if step == 0 or every:
        toy = Toy()  # no checkpoint yet: the start must be the same
    fit(toy, PLAN, tmp_path, rows.append, every)
    assert state(toy) == whole[0]
    assert (tmp_path / FILE).read_bytes() == whole[1]
    values = {row.step: row.values for row in rows}
    assert values == {row.step: row.values for row in whole[2]}


PROCESS = """
import sys, torch
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_fit import PLAN, Toy, fit
torch.set_num_threads(1)
fit(Toy(wait=0.05), PLAN, Path(sys.argv[2]), lambda row: print(row.step, flush=True), every=0.0)
"""


@pytest.mark.parametrize("after", [2, 4, 7])  # told before it is saved: the one before is on disk
def test_killed_by_the_system_ends_in_the_same_bits(tmp_path, whole, after, request):
    command = [sys.executable, "-c", PROCESS, str(request.path.parent), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        while int(process.stdout.readline()) < after:
            pass
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    toy = Toy(seed=1)
    fit(toy, PLAN, tmp_path)
    assert state(toy) == whole[0]
    assert (tmp_path / FILE).read_bytes() == whole[1]


def test_a_kill_while_writing_leaves_the_checkpoint_before(tmp_path, whole):
    with pytest.raises(KeyboardInterrupt):
        fit(Toy(fail=5), PLAN, tmp_path, every=0.0)
    (tmp_path / f"{FILE}.partial").write_bytes(b"half of a checkp")
    toy = Toy(seed=1)
    fit(toy, PLAN, tmp_path)
    assert state(toy) == whole[0]


def test_finished_training_takes_no_further_step(tmp_path, whole):
    (tmp_path / FILE).write_bytes(whole[1])
    toy = Toy(seed=1, fail=0)
    fit(toy, PLAN, tmp_path, lambda row: pytest.fail("a step was made"))
    assert state(toy) == whole[0]


def test_each_step_has_its_row(whole):
    rows = whole[2]
    assert [(row.step, row.of) for row in rows] == [(k + 1, PLAN.steps) for k in range(PLAN.steps)]
    assert all(row.values.keys() == {"loss", "size", "gradient_norm"} for row in rows)
    assert all(row.seconds > 0 for row in rows)


def test_updates_are_those_of_torch(tmp_path):
    """Plain AdamW, clipping, and the objective's average, written out; Adam where nothing decays."""
    for plan, kind in ((PLAN, torch.optim.AdamW), (Plan(8, 1e-2, seed=3), torch.optim.Adam)):
        ours, theirs = Toy(), Toy()
        optimiser = kind(theirs.net.parameters(), lr=1e-2, weight_decay=plan.weight_decay)
        for step in range(plan.steps):
            optimiser.zero_grad()
            theirs.loss(theirs.batch(step, draw(3, step)))["loss"].backward()
            if plan.clip is not None:
                nn.utils.clip_grad_norm_(theirs.net.parameters(), plan.clip)
            optimiser.step()
            theirs.after_step()
        fit(ours, plan, tmp_path / kind.__name__)
        assert state(ours) == state(theirs)


def test_clipping_acts_and_the_row_has_the_norm_before_it(tmp_path):
    rows = []
    fit(Toy(), Plan(1, 1e-2), tmp_path / "free", rows.append)
    assert rows[0].values["gradient_norm"] > 0.1
    tight, free = Toy(), Toy()
    fit(tight, Plan(1, 1e-2, eps=1.0, clip=0.01), tmp_path / "tight", rows.append)
    fit(free, Plan(1, 1e-2, eps=1.0), tmp_path / "loose", rows.append)
    assert len({row.values["gradient_norm"] for row in rows}) == 1
    moved = [float((toy.net["early"] - Toy().net["early"]).detach().norm()) for toy in (tight, free)]
    assert moved[0] < 0.1 * moved[1]


def test_the_noise_of_a_step_depends_on_seed_and_step_alone():
    noise = {(seed, k): torch.randn(3, generator=draw(seed, k)) for seed in (0, 1) for k in (0, 1, 2)}
    assert torch.equal(noise[1, 2], torch.randn(3, generator=draw(1, 2)))
    assert len({tuple(value.tolist()) for value in noise.values()}) == 6


POISONS = {
    "loss": lambda loss, w: loss * float("nan"),
    "gradient": lambda loss, w: loss + (w * 0).sum().sqrt(),  # finite, but its slope is not
}


@pytest.mark.parametrize("what", POISONS)
def test_a_step_that_is_not_finite_stops_and_keeps_the_weights_before_it(tmp_path, what):
    bad, good = Toy(poison=(4, POISONS[what])), Toy()
    with pytest.raises(Diverged, match=f"the {what} of step 4 is not finite.*lr"):
        fit(bad, PLAN, tmp_path / "bad")
    stopped = Toy(fail=4)
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, PLAN, tmp_path / "good", every=0.0)
    assert state(bad) == state(stopped)
    kept, expected = (load_file(tmp_path / name / FILE) for name in ("bad", "good"))
    assert kept.keys() == expected.keys()
    assert all(torch.equal(kept[key], expected[key]) for key in kept)
    fit(good, PLAN, tmp_path / "bad")  # with the cause gone it goes on
    assert all(value.isfinite().all() for value in good.parameters().values())


def test_a_checkpoint_of_another_training_is_refused(tmp_path, whole):
    (tmp_path / FILE).write_bytes(whole[1])
    with pytest.raises(BadInput, match=r"plan\.seed is 3 there and 4 here"):
        fit(Toy(), Plan(8, 1e-2, weight_decay=0.1, clip=1.0, seed=4), tmp_path)
    other = Toy()
    other.config = {"toy": (1, 3)}
    with pytest.raises(BadInput, match=r"objective\.toy is \[1, 2\] there and \[1, 3\] here"):
        fit(other, PLAN, tmp_path)


def test_a_cut_checkpoint_is_refused(tmp_path, whole):
    (tmp_path / FILE).write_bytes(whole[1][:-7])
    with pytest.raises(Damaged, match="delete it to begin again"):
        fit(Toy(), PLAN, tmp_path)


BAD_PLANS = [
    *(("steps", 0), ("steps", 1.5), ("seed", -1), ("seed", 2**32), ("clip", 0.0), ("weight_decay", -1.0)),
    *(("lr", 0.0), ("lr", float("nan")), ("lr", -1e-5), ("betas", (0.9, 1.0)), ("eps", 0.0)),
]


@pytest.mark.parametrize(("field", "value"), BAD_PLANS)
def test_bad_plans_are_refused_by_name(field, value):
    with pytest.raises(BadInput, match=field):
        Plan(**{"steps": 1, "lr": 1e-5, field: value})


def test_half_precision_is_refused(tmp_path):
    toy = Toy()
    toy.net["late"] = toy.net["late"].bfloat16()
    with pytest.raises(BadInput, match=r"'late' is torch.bfloat16.*float32"):
        fit(toy, PLAN, tmp_path / "new")
    assert not (tmp_path / "new").exists()
