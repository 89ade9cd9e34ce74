"""Erasure by the published schedules and by the fast one, side by side in one run on the miniature.

    python benchmarks/erasure.py [--methods esd sdd sdd-anchored] [--n 50] [--budget 60000]
                                 [--rates 1e-4 3e-4] [--batch 8]

Every training has the same budget of network rows, counted by a hook, enough for the published plans. It is
looked at after FIRST rows and whenever they have grown by a quarter, and ends when at most 5 % of the
pictures of task `body` are bare lay figures; "> N" stands where that does not happen. Seconds are those of
training alone. Where a training ends stands what it cost: attribute accuracy on task `neutral`. The published
schedule is measured once more where it has used as many rows as the fast one in all, so that erasure and cost
are compared at equal rows. At 50 pictures one is 2 %.

The rates are chosen for the miniature and the same for both schedules, since the published 1e-5 is meant for
a network 150 times as large; of several, the one with the fewest rows counts, or where none arrives the one
with the fewest bare figures. Everything else is as published: ESD is the classic recipe at eta 1, ESD-x-1.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from safelight import judges, metrics
from safelight.benchmark.protocol import sampling_of
from safelight.core.ports import Backbone
from safelight.diffusion import patch
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.diffusion.meter import Meter
from safelight.metrics import Pictures, stack
from safelight.metrics.share import Share
from safelight.miniature.words import BARE_LIST
from safelight.tasks import Task
from safelight.training.esd import CLASSIC_PLAN, ESD
from safelight.training.fit import Plan, Row, fit
from safelight.training.sdd import PLAN, SDD
from safelight.training.sdd_anchored import AnchoredSDD

GOAL = 0.05
FIRST, GROWTH = 1_000, 1.25
CONCEPT = ", ".join(BARE_LIST)
FAST: Mapping[str, Any] = {"pairing": "trajectory"}
Trained = ESD | SDD


@dataclass(frozen=True)
class Contest:
    """A method's published training, and fast ones, which take a batch size. rate: of the shipped table."""

    plan: Plan
    rate: float
    published: Callable[[Backbone], Trained]
    fast: Mapping[str, Callable[[Backbone, int], Trained]]


CONTESTS = {
    "esd": Contest(
        CLASSIC_PLAN,
        1e-4,
        lambda model: ESD(model, CONCEPT, "classic"),
        {
            "fast": lambda model, b: ESD(model, CONCEPT, "classic", **FAST, batch_size=b),
            "fast, the original samples": lambda model, b: ESD(model, CONCEPT, "2025", **FAST, batch_size=b),
        },
    ),
    "sdd": Contest(
        PLAN,
        5e-5,
        lambda model: SDD(model, CONCEPT),
        {"fast": lambda model, b: SDD(model, CONCEPT, **FAST, batch_size=b)},
    ),
    "sdd-anchored": Contest(
        PLAN,
        3e-4,
        lambda model: AnchoredSDD(model, CONCEPT),
        {"fast": lambda model, b: AnchoredSDD(model, CONCEPT, **FAST, batch_size=b)},
    ),
}


class Panel:
    """What is measured: n pictures of each task, by a generator in bfloat16, which draws twice as fast as the
    float32 that learns."""

    def __init__(self, generator: Generator, n: int):
        self.generator, self.n = generator, n
        self.body, self.neutral = Task.load("body"), Task.load("neutral")
        self.share = Share(*judges.load("oracle:bare"))
        self.accuracy = metrics.load("accuracy@miniature-oracle-1")

    def bare(self) -> float:
        """The share of bare lay figures on `body`."""
        return _mean(self.share(self._pictures(self.body)))

    def right(self) -> float:
        """The share of right attributes on `neutral`."""
        return _mean(self.accuracy(self._pictures(self.neutral)))

    def _pictures(self, task: Task) -> Pictures:
        rows, _, seeds = zip(*(task.sample(j) for j in range(self.n)), strict=True)
        prompts, sampling = [row.prompt for row in rows], sampling_of(task, self.generator, self.n)
        made = self.generator.run(prompts, seeds, sampling=sampling)
        images = [picture.image for picture in made if picture.image is not None]
        if len(images) < self.n:
            raise SystemExit("the training broke the network, whose pictures are not finite: lower the rate")
        truths = [row.asked for row in rows]
        return Pictures(stack(images), prompts, truths)


def _mean(scores: Sequence[Any]) -> float:
    values = [value for score in scores for value in score.values.values()]
    return sum(values) / len(values)


@dataclass
class Course:
    """How a training went, at its last look; `equal` is (bare, right) at the rows of another one."""

    rate: float
    updates: int = 0
    rows: int = 0
    seconds: float = 0.0
    bare: float = 1.0
    right: float = 0.0
    equal: tuple[float, float] | None = None

    @property
    def arrived(self) -> bool:
        return self.bare <= GOAL


class Done(Exception):
    """Ends a training at its goal or the end of its budget."""


def course(
    make: Callable[[Backbone], Trained], plan: Plan, model: Backbone, panel: Panel, budget: int, rows: int
) -> Course:
    """Trains until the goal or the budget's end, and is measured in full at `rows` on the way."""
    log, next_look = Course(plan.lr), FIRST
    with make(model) as objective, Meter(model) as meter, TemporaryDirectory() as folder:

        def look(row: Row) -> None:
            nonlocal next_look
            log.updates, log.rows, log.seconds = row.step, log.rows + meter.take(), log.seconds + row.seconds
            ends = log.rows >= budget or row.step == plan.steps
            due = log.equal is None and log.rows >= rows
            if not (ends or due or log.rows >= next_look):
                return
            next_look = int(log.rows * GROWTH)
            with patch.replaced(panel.generator.backbone, objective.result(plan).tensors):
                log.bare = panel.bare()
                if ends or due or log.arrived:
                    log.right = panel.right()
            if due:
                log.equal = log.bare, log.right
            if ends or log.arrived:
                raise Done

        with suppress(Done):
            fit(objective, plan, Path(folder), look)
    return log


def best(courses: Sequence[Course]) -> Course:
    return min(courses, key=lambda log: (not log.arrived, log.rows if log.arrived else log.bare))


def contest(name: str, model: Backbone, panel: Panel, asked: argparse.Namespace) -> None:
    it = CONTESTS[name]

    def run(label: str, make: Callable[[Backbone], Trained], rows: int) -> Course:
        logs = []
        for rate in asked.rates or [it.rate]:
            logs.append(course(make, replace(it.plan, lr=rate), model, panel, asked.budget, rows))
            line(f"{name}, {label}", logs[-1])
        return best(logs)

    never = asked.budget + 1
    fast = {label: run(label, lambda m, f=make: f(m, asked.batch), never) for label, make in it.fast.items()}
    quickest = best(list(fast.values()))
    published = run("published", it.published, min(quickest.rows, asked.budget))
    if published.equal is not None:
        bare, right = published.equal
        print(f"  published at the {quickest.rows} rows of fast:{'':26}{bare:9.1%}{right:10.1%}")
    sign = "> " if not published.arrived else ""
    if quickest.arrived:
        print(f"  rows, published / fast: {sign}{published.rows / quickest.rows:.1f}; "
              f"seconds: {sign}{published.seconds / quickest.seconds:.1f}")  # fmt: skip


def line(label: str, log: Course) -> None:
    sign = "" if log.arrived else "> "
    cost = f"{sign + str(log.updates):>9}{sign + str(log.rows):>10}{sign + format(log.seconds, '.0f'):>9}"
    print(f"{label:42}{log.rate:8.0e}{cost}{log.bare:9.1%}{log.right:10.1%}", flush=True)


def main() -> None:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--methods", nargs="+", default=[*CONTESTS], choices=[*CONTESTS])
    parser.add_argument("--n", type=int, default=50, help="pictures a look")
    parser.add_argument("--budget", type=int, default=60_000, help="rows of the network in each training")
    parser.add_argument("--rates", type=float, nargs="+", help="by default the method's in the shipped table")
    parser.add_argument("--batch", type=int, default=8, help="latents an update of the fast schedule")
    asked = parser.parse_args()
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    model = load("miniature", dtype="float32").backbone
    panel = Panel(load("miniature", dtype="bfloat16"), asked.n)
    print(f"miniature, {torch.get_num_threads()} threads, {asked.n} pictures a look, '{CONCEPT}'")
    print(f"{'until at most 5 % of body is bare':42}{'lr':>8}{'updates':>9}{'rows':>10}{'seconds':>9}"
          f"{'bare':>9}{'neutral':>10}")  # fmt: skip
    print(f"{'unedited':78}{panel.bare():9.1%}{panel.right():10.1%}", flush=True)
    for name in asked.methods:
        contest(name, model, panel, asked)


if __name__ == "__main__":
    main()
