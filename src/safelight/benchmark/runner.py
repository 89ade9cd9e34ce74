"""Runs: pictures of a task under each policy on the same noise, in whole blocks, scored picture by picture.

Measured are the methods. A policy's checks are asked, and what they decide is recorded, but a picture they
would withhold is measured all the same: otherwise every rate would be that of the check's own judge. The hard
stop holds here as everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safelight.benchmark.blocks import Bench, Progress, quiet
from safelight.benchmark.measures import Measures, measures
from safelight.benchmark.protocol import Config, configuration, run_id, sampling_of
from safelight.benchmark.table import Table, table
from safelight.core.errors import BadInput
from safelight.core.ports import Judge
from safelight.core.valid import whole
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.diffusion.sampling import Sampling
from safelight.policies import Bound, Policy
from safelight.store import Store
from safelight.tasks import Task

BASE = Policy("base")
"""The unguarded model, with which every policy is compared."""


def bench(
    task: Task | str | Path,
    model: Generator | str | Path | Any,
    policies: Sequence[Policy | str | Path],
    out: str | Path,
    n: int | None = None,
    *,
    prompts: str | Path | None = None,
    shard: str = "1/1",
    sampling: Sampling | None = None,
    judges: Mapping[str, Judge] | None = None,
    progress: Progress = quiet,
) -> Table:
    """Draw and measure n pictures of a task (default: all of it) without a policy and under each of
    `policies`.

    Args:
        model: what `safelight.load` takes, or what it gave.
        prompts: the file of a task on published prompts, or the hub's data set OWNER/NAME[/FILE].
        shard: "i/m": make only every m-th block from the i-th on. The table has no figures until all shards,
            into one database, are there; a run without a shard makes what they left.
        out: database file or URL; what it holds of this configuration already is not made again.
        sampling: instead of the model's with the task's settings.
        judges: judges of your own, by the name that the task or a policy gives them.

    Raises:
        BadInput, UnknownName: something named or given is unusable, or `out` cannot be written.
        Refused: the model cannot have a judge, a metric or a policy. All this before work starts.
    """
    grid = Grid.of(task, model, policies, n, prompts, sampling, judges)
    return grid.run(out, shard, progress)


@dataclass(frozen=True)
class Grid:
    """The first n pictures of a task, unguarded and under each policy. All that can be wrong with what was
    asked for is found while it is made.

    by: what the records of its runs say besides versions, such as the table that they are rows of.
    """

    task: Task
    n: int
    generator: Generator
    sampling: Sampling
    measures: Measures
    policies: Mapping[str, tuple[Bound, Config]]
    by: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        task: Task | str | Path,
        model: Generator | str | Path | Any,
        policies: Sequence[Policy | str | Path],
        n: int | None = None,
        prompts: str | Path | None = None,
        sampling: Sampling | None = None,
        judges: Mapping[str, Judge] | None = None,
        by: Mapping[str, str] | None = None,
    ) -> Grid:
        """Of what `bench` takes, with its errors."""
        task = loaded(task, prompts)
        n = task.n if n is None else n
        whole("n", n, 1)
        generator = model if isinstance(model, Generator) else load(model)
        chosen = [policy if isinstance(policy, Policy) else Policy.load(policy) for policy in policies]
        if doubled := [name for name, k in Counter(p.name for p in (BASE, *chosen)).items() if k > 1]:
            raise BadInput(f"two policies are called {', '.join(doubled)}: give each a name of its own")
        bound = [policy.bind(generator, judges) for policy in (BASE, *chosen)]
        wanted = measures(task, generator, judges or {})
        sampling = sampling or sampling_of(task, generator, n)
        configs = [configuration(task, generator, policy, sampling) for policy in bound]
        named = {one.policy.name: (one, config) for one, config in zip(bound, configs, strict=True)}
        return cls(task, n, generator, sampling, wanted, named, by or {})

    def run(self, out: str | Path, shard: str = "1/1", progress: Progress = quiet) -> Table:
        """Make what is missing of a shard; the table, without figures as long as other shards are missing."""
        self.draw(out, part_of(shard), progress)
        return self.table(out)

    def draw(self, out: str | Path, part: tuple[int, int] = (1, 1), progress: Progress = quiet) -> None:
        """Make what is missing of the i-th of m parts, and its scores."""
        parts, unguarded = (self.task, self.generator, self.sampling, self.measures), self.runs[BASE.name]
        with Store.open(out) as store:
            for name, (policy, config) in self.policies.items():
                base = None if name == BASE.name else unguarded
                Bench(*parts, store, policy, config, base, self.by).run(self.n, part, progress)

    def table(self, out: str | Path) -> Table:
        """The table of what was drawn, without figures as long as parts are missing."""
        runs = self.runs
        with Store.open(out) as store:
            if {run.status for run in store.runs() if run.id in runs.values()} != {"done"}:
                return Table(self.task.id, self.n, min(self.n, len(self.task.rows)), ())
            return table(store, self.task, runs, self.n, self.measures.sets, self.measures.derived)

    @property
    def runs(self) -> dict[str, str]:
        """The run of each policy, the unguarded model's first."""
        return {name: run_id(config) for name, (_, config) in self.policies.items()}


def loaded(task: Task | str | Path, prompts: str | Path | None) -> Task:
    """A task that may be loaded already. Raises BadInput if it is and gets prompts all the same."""
    if not isinstance(task, Task):
        return Task.load(task, prompts)
    if prompts is not None:
        raise BadInput(f"task {task.name} is loaded already: give prompts to Task.load")
    return task


def part_of(shard: str) -> tuple[int, int]:
    """ "i/m" as (i, m). Raises BadInput."""
    i, _, m = shard.partition("/")
    if not (i.isdecimal() and m.isdecimal() and 1 <= int(i) <= int(m)):
        raise BadInput(f"a shard is written i/m with i from 1 to m, as in 2/4; got {shard!r}")
    return int(i), int(m)
