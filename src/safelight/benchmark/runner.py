"""Runs: pictures of a task under each policy on the same noise, in whole blocks, scored picture by picture.

A run goes on where it stopped. A block is drawn whole or not at all, whatever n is, and its rows are written
in one transaction, so that an interrupted, a continued and an undisturbed run hold the same bytes; pictures
beyond n that complete a block stay in the database and out of the table.

Measured are the methods. A policy's checks are asked, and what they decide is recorded, but a picture they
would withhold is measured all the same: otherwise every rate would be that of the check's own judge. The hard
stop holds here as everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safelight.benchmark.draw import Ask, draw, rows
from safelight.benchmark.measures import Measures, measures
from safelight.benchmark.naming import stem
from safelight.benchmark.protocol import Config, configuration, run_of, sampling_of
from safelight.benchmark.table import Table, table
from safelight.core.errors import BadInput
from safelight.core.ports import Judge
from safelight.core.records import Sample, sample_id
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.diffusion.sampling import Sampling
from safelight.policies import Bound, Policy
from safelight.store import Store
from safelight.tasks import Task

BASE = Policy("base")
"""The unguarded model, with which every policy is compared."""
Progress = Callable[[str, int, int], None]
"""Called with a policy's name, how many of its pictures are ready, and their number."""


def quiet(policy: str, done: int, total: int) -> None:
    """No progress."""


def bench(
    task: Task | str | Path,
    model: Generator | str | Path | Any,
    policies: Sequence[Policy | str | Path],
    out: str | Path,
    n: int | None = None,
    *,
    prompts: str | Path | None = None,
    sampling: Sampling | None = None,
    judges: Mapping[str, Judge] | None = None,
    progress: Progress = quiet,
) -> Table:
    """Draw and measure n pictures of a task (default: all of it) without a policy and under each of
    `policies`.

    Args:
        model: what `safelight.load` takes, or what it gave.
        prompts: the file of a task on published prompts, or the hub's data set OWNER/NAME[/FILE].
        out: database file or URL; what it holds of this configuration already is not made again.
        sampling: instead of the model's with the task's settings.
        judges: judges of your own, by the name that the task or a policy gives them.

    Raises:
        BadInput, UnknownName: something named or given is unusable, or `out` cannot be written.
        Refused: the model cannot have a judge, a metric or a policy. All this before work starts.
    """
    task = task if isinstance(task, Task) else Task.load(task, prompts)
    n = _whole(task.n if n is None else n)
    generator = model if isinstance(model, Generator) else load(model)
    chosen = [policy if isinstance(policy, Policy) else Policy.load(policy) for policy in policies]
    if doubled := [name for name, k in Counter(p.name for p in (BASE, *chosen)).items() if k > 1]:
        raise BadInput(f"two policies are called {', '.join(doubled)}: give each a name of its own")
    bound = {policy.name: policy.bind(generator, judges) for policy in (BASE, *chosen)}
    wanted = measures(task, generator, judges or {})
    sampling = sampling or sampling_of(task, generator, n)
    configs = {name: configuration(task, generator, policy, sampling) for name, policy in bound.items()}
    with Store.open(out) as store:
        runs: dict[str, str] = {}
        for name, policy in bound.items():
            one = Bench(task, generator, sampling, wanted, store, policy, configs[name], runs.get(BASE.name))
            runs[name] = one.run(n, progress)
        return table(store, task, runs, n, wanted.sets, wanted.derived)


@dataclass(frozen=True)
class Bench:
    """One configuration on one store. `base` is the run of the unguarded model, None for that run itself."""

    task: Task
    generator: Generator
    sampling: Sampling
    measures: Measures
    store: Store
    policy: Bound
    config: Config
    base: str | None

    def run(self, n: int, progress: Progress = quiet) -> str:
        """Make what is missing of the first n pictures and of their scores; returns the run's id."""
        run = run_of(self.config, self.measures.hashes)
        if run.id in {known.id for known in self.store.runs()}:
            self.store.finish(run.id, "running")
        else:
            self.store.add(run)
        status = "failed"
        try:
            for done in self._blocks(run.id, n):
                progress(self.policy.policy.name, done, n)
            status = "done"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            self.store.finish(run.id, status)
        return run.id

    def _blocks(self, run: str, n: int) -> Iterator[int]:
        """Each block's pictures and scores, made or found; yields how many pictures are ready."""
        made = {sample.id: sample for sample in self.store.samples(run)}
        scored = {(row.sample, stem(row.metric), row.judge) for row in self.store.scores(run)}
        beside = {(s.row, s.k): s for s in self.store.samples(self.base)} if self.base else {}
        yield 0
        for number in range(-(-n // self.sampling.block)):
            asks = self._asks(number)
            if asks[0].sample not in made:
                block = draw(asks, self.generator, self.policy, self.sampling)
                records = rows(block, run, self.task.id, number, self.store.images)
                self.store.add(*records)
                made |= {record.id: record for record in records if isinstance(record, Sample)}
            samples = [made[ask.sample] for ask in asks]
            for measure in self.measures.single:
                if not any((sample.id, *measure.key) in scored for sample in samples):
                    unguarded = [beside.get((s.row, s.k)) for s in samples]
                    self.store.add(*measure.score(samples, unguarded, self.task, self.store.images))
            yield min(n, (number + 1) * self.sampling.block)

    def _asks(self, number: int) -> list[Ask]:
        size = self.sampling.block
        places = [self.task.sample(j) for j in range(number * size, (number + 1) * size)]
        return [
            Ask(sample_id(self.config, self.task.id, row.index, k), row, k, seed) for row, k, seed in places
        ]


def _whole(n: int) -> int:
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise BadInput(f"n must be a whole number of at least 1, got {n!r}")
    return n
