"""One configuration on one store: what is missing of its pictures and scores, made in whole blocks.

A run goes on where it stopped, and processes may share it, each with every m-th block. A block is drawn whole
or not at all, whatever n is, and its rows are written in one transaction, so that an interrupted, a shared
and an undisturbed run hold the same bytes; pictures beyond n that complete a block stay in the database and
out of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from safelight.benchmark.draw import Ask, draw, rows
from safelight.benchmark.measures import Measure, Measures
from safelight.benchmark.naming import stem
from safelight.benchmark.protocol import Config, run_of
from safelight.core.records import Sample, sample_id
from safelight.diffusion.generator import Generator
from safelight.diffusion.sampling import Sampling
from safelight.policies import Bound
from safelight.store import Store
from safelight.tasks import Task

Progress = Callable[[str, int, int], None]
"""Called with a policy's name, how many of its pictures are ready, and their number."""


def quiet(policy: str, done: int, total: int) -> None:
    """No progress."""


@dataclass(frozen=True)
class Bench:
    """One configuration on one store.

    base: the run of the unguarded model, None for that run itself. by: see `Grid`.
    """

    task: Task
    generator: Generator
    sampling: Sampling
    measures: Measures
    store: Store
    policy: Bound
    config: Config
    base: str | None
    by: Mapping[str, str] = field(default_factory=dict)

    def run(self, n: int, part: tuple[int, int] = (1, 1), progress: Progress = quiet) -> str:
        """Make what is missing of the first n pictures and of their scores; returns the run's id.

        part: (i, m): of every m blocks the i-th.
        """
        run = run_of(self.config, {**self.measures.hashes, **self.by})
        self.store.begin(run)
        i, m = part
        status = "failed"
        try:
            for done in self._blocks(run.id, range(i - 1, self._count(n), m)):
                progress(self.policy.policy.name, min(n, done), n)
            status = "interrupted"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            self.store.finish(run.id, status)
        if self._complete(run.id, n):  # asked after that was written: shards that end together both see it
            self.store.finish(run.id, "done")
        return run.id

    def _blocks(self, run: str, numbers: Sequence[int]) -> Iterator[int]:
        """Each block's pictures and scores, made or found; yields how many pictures are ready.

        A block is judged while the next one is drawn: on a GPU the judge's time is free.
        """
        made, scored = self._made(run), self._scored(run)
        beside = {(s.row, s.k): s for s in self.store.samples(self.base)} if self.base else {}
        yield 0
        with ThreadPoolExecutor(1) as judging:
            judged: Future[None] | None = None
            for done, number in enumerate(numbers):
                asks = self._asks(number)
                if asks[0].sample not in made:
                    block = draw(asks, self.generator, self.policy, self.sampling)
                    records = rows(block, run, self.task.id, number, self.store.images)
                    self.store.add(*records)
                    made |= {record.id: record for record in records if isinstance(record, Sample)}
                if judged is not None:
                    judged.result()
                    yield done * self.sampling.block
                samples = [made[ask.sample] for ask in asks]
                judged = judging.submit(self._judge, samples, self._unjudged(asks, scored), beside)
            if judged is not None:
                judged.result()
                yield len(numbers) * self.sampling.block

    def _judge(self, samples: Sequence[Sample], by: Sequence[Measure], beside: Mapping[Any, Sample]) -> None:
        unguarded = [beside.get((s.row, s.k)) for s in samples]
        for measure in by:
            self.store.add(*measure.score(samples, unguarded, self.task, self.store.images))

    def _unjudged(self, asks: Sequence[Ask], scored: Set[tuple[str, str, str]]) -> list[Measure]:
        """The measures that a block still lacks."""
        return [
            measure
            for measure in self.measures.single
            if not (measure.paired and self.base is None)
            and not any((ask.sample, *measure.key) in scored for ask in asks)
        ]

    def _complete(self, run: str, n: int) -> bool:
        """Whether all blocks are there and judged, by whomever."""
        made, scored = self._made(run), self._scored(run)
        blocks = [self._asks(number) for number in range(self._count(n))]
        return all(asks[0].sample in made and not self._unjudged(asks, scored) for asks in blocks)

    def _made(self, run: str) -> dict[str, Sample]:
        return {sample.id: sample for sample in self.store.samples(run)}

    def _scored(self, run: str) -> set[tuple[str, str, str]]:
        return {(row.sample, stem(row.metric), row.judge) for row in self.store.scores(run)}

    def _count(self, n: int) -> int:
        """Blocks that hold the first n pictures."""
        return -(-n // self.sampling.block)

    def _asks(self, number: int) -> list[Ask]:
        size = self.sampling.block
        places = [self.task.sample(j) for j in range(number * size, (number + 1) * size)]
        return [
            Ask(sample_id(self.config, self.task.id, row.index, k), row, k, seed) for row, k, seed in places
        ]
