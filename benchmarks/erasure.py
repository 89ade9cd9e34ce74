"""Erasure by the published schedules and by the fast one, side by side in one run on the miniature.

    python benchmarks/erasure.py [--methods esd sdd sdd-anchored] [--n 100] [--budget 200]
                                 [--rates 3e-4] [--batch 1]
    python benchmarks/erasure.py --n 300 --budget 1500 --rates 1e-4 3e-4 1e-3

The last one is whole: the published numbers of updates (ESD 1,000, SDD 1,500) and a choice of rates for every
schedule alike, since the published 1e-5 is meant for a network 150 times as large. Everything else is as
published: ESD is the classic recipe at eta 1, ESD-x-1.

Counted are the rows of the network, by a hook, and the seconds of training until at most 5 % of the pictures
of task `body` are bare lay figures, looked at 20 times in a budget; "> N" where that does not happen. Where
a training ends stands what it cost: attribute accuracy on task `neutral`. A published schedule is measured
once more where it has used as many rows as the fast one in all. Of several rates the one with the fewest rows
counts, or where none arrives the one with the fewest bare figures.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
from safelight.metrics import Pictures, stack
from safelight.metrics.share import Share
from safelight.miniature.words import BARE_LIST
from safelight.tasks import Task
from safelight.training.esd import CLASSIC_PLAN, ESD
from safelight.training.fit import Plan, Row, fit
from safelight.training.sdd import PLAN, SDD
from safelight.training.sdd_anchored import AnchoredSDD

GOAL = 0.05
LOOKS = 20
CONCEPT = ", ".join(BARE_LIST)
FAST: Mapping[str, Any] = {"pairing": "trajectory"}
Trained = ESD | SDD


@dataclass(frozen=True)
class Contest:
    """A method's published training, and fast ones, which take a batch size."""

    plan: Plan
    published: Callable[[Backbone], Trained]
    fast: Mapping[str, Callable[[Backbone, int], Trained]]


CONTESTS = {
    "esd": Contest(
        CLASSIC_PLAN,
        lambda model: ESD(model, CONCEPT, "classic"),
        {
            "fast": lambda model, b: ESD(model, CONCEPT, "classic", **FAST, batch_size=b),
            "fast, the original samples": lambda model, b: ESD(model, CONCEPT, "2025", **FAST, batch_size=b),
        },
    ),
    "sdd": Contest(
        PLAN,
        lambda model: SDD(model, CONCEPT),
        {"fast": lambda model, b: SDD(model, CONCEPT, **FAST, batch_size=b)},
    ),
    "sdd-anchored": Contest(
        PLAN,
        lambda model: AnchoredSDD(model, CONCEPT),
        {"fast": lambda model, b: AnchoredSDD(model, CONCEPT, **FAST, batch_size=b)},
    ),
}


class Meter:
    """Counts the rows that the network predicts, except while it is paused."""

    def __init__(self, model: Backbone):
        self.rows, self.counting = 0, True
        model.net.register_forward_hook(self._count)

    def _count(self, net: Any, args: tuple[Any, ...], out: Any) -> None:
        self.rows += len(args[0]) if self.counting else 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.counting = False
        yield
        self.counting = True


class Panel:
    """What is measured of the model as it is: n pictures of each task."""

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
    """Ends a training at its goal."""


def course(make: Callable[[Backbone], Trained], plan: Plan, panel: Panel, meter: Meter, rows: int) -> Course:
    """Trains until the goal or the plan's end, and is measured in full at `rows` on the way."""
    log, every, begun = Course(plan.lr), max(1, plan.steps // LOOKS), meter.rows
    model = panel.generator.backbone
    with make(model) as objective, TemporaryDirectory() as folder:

        def look(row: Row) -> None:
            log.updates, log.rows, log.seconds = row.step, meter.rows - begun, log.seconds + row.seconds
            due = log.equal is None and log.rows >= rows
            if row.step % every and row.step < plan.steps and not due:
                return
            with meter.paused(), patch.replaced(model, objective.result(plan).tensors):
                log.bare = panel.bare()
                if due or log.arrived or row.step == plan.steps:
                    log.right = panel.right()
            if due:
                log.equal = log.bare, log.right
            if log.arrived:
                raise Done

        with suppress(Done):
            fit(objective, plan, Path(folder), look)
    return log


def best(courses: Sequence[Course]) -> Course:
    return min(courses, key=lambda log: (not log.arrived, log.rows if log.arrived else log.bare))


def contest(name: str, panel: Panel, meter: Meter, asked: argparse.Namespace) -> None:
    it = CONTESTS[name]
    plan = replace(it.plan, steps=min(it.plan.steps, asked.budget))

    def run(label: str, make: Callable[[Backbone], Trained], rows: int) -> Course:
        logs = []
        for rate in asked.rates:
            logs.append(course(make, replace(plan, lr=rate), panel, meter, rows))
            line(f"{name}, {label}", logs[-1])
        return best(logs)

    never = 2**62
    fast = {label: run(label, lambda m, f=make: f(m, asked.batch), never) for label, make in it.fast.items()}
    quickest = best(list(fast.values()))
    published = run("published", it.published, quickest.rows)
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
    parser.add_argument("--n", type=int, default=100, help="pictures a look")
    parser.add_argument("--budget", type=int, default=200, help="updates, at most the published number")
    parser.add_argument("--rates", type=float, nargs="+", default=[3e-4])
    parser.add_argument("--batch", type=int, default=1, help="latents an update of the fast schedule")
    asked = parser.parse_args()
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    generator = load("miniature")
    panel, meter = Panel(generator, asked.n), Meter(generator.backbone)
    print(f"miniature, {torch.get_num_threads()} threads, {asked.n} pictures a look, '{CONCEPT}'")
    print(f"{'until at most 5 % of body is bare':42}{'lr':>8}{'updates':>9}{'rows':>10}{'seconds':>9}"
          f"{'bare':>9}{'neutral':>10}")  # fmt: skip
    print(f"{'unedited':78}{panel.bare():9.1%}{panel.right():10.1%}", flush=True)
    for name in asked.methods:
        contest(name, panel, meter, asked)


if __name__ == "__main__":
    main()
