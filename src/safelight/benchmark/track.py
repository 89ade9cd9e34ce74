"""One task on which stacks are drawn as far as they are asked to be, and where it is right to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from safelight.benchmark.blocks import Bench, Progress
from safelight.benchmark.measures import Measures, measures
from safelight.benchmark.protocol import configuration, sampling_of
from safelight.core.ports import Judge
from safelight.diffusion.generator import Generator
from safelight.diffusion.sampling import Sampling
from safelight.policies import Bound
from safelight.store import Store
from safelight.tasks import Task


@dataclass(frozen=True)
class Track:
    """The first n pictures of a task, drawn block by block into a store as runs of the benchmark."""

    task: Task
    n: int
    generator: Generator
    sampling: Sampling
    measures: Measures
    store: Store
    progress: Progress

    @classmethod
    def of(
        cls,
        task: Task,
        n: int | None,
        generator: Generator,
        judges: Mapping[str, Judge] | None,
        store: Store,
        progress: Progress,
    ) -> Self:
        """At most n pictures, the whole task by default. Raises Refused if the model cannot have a judge."""
        n = task.n if n is None else n
        wanted = measures(task, generator, judges or {})
        return cls(task, n, generator, sampling_of(task, generator, n), wanted, store, progress)

    def to(self, stack: Bound, t: int) -> str:
        """The run that holds the first t pictures of a stack."""
        config = configuration(self.task, self.generator, stack, self.sampling)
        parts = (self.task, self.generator, self.sampling, self.measures, self.store)
        run = Bench(*parts, stack, config, None)
        return run.run(t, progress=lambda name, done, _: self.progress(name, done, self.n))

    def drawn(self, t: int) -> int:
        """Pictures of the blocks that hold the first t."""
        return -(-t // self.sampling.block) * self.sampling.block

    def prompts(self, t: int) -> int:
        """Different prompts among the first t pictures."""
        return min(t, len(self.task.rows))

    @property
    def passes(self) -> bool:
        """Whether there are whole passes through the prompts to look after, not one that is cut short."""
        return self.n >= 2 * len(self.task.rows)

    @property
    def looks(self) -> list[int]:
        """After each block; where there are passes, at the end of the last whole one."""
        size = len(self.task.rows) if self.passes else 1
        blocks = range(self.sampling.block, self.drawn(self.n) + 1, self.sampling.block)
        return sorted({min(end, self.n) // size * size for end in blocks} - {0})
