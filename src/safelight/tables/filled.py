"""What came of a table, as a grid, as Markdown and as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from safelight.benchmark import Cell, Table, facts, grid, ruled
from safelight.core.intervals import Figure
from safelight.tables.layout import Layout
from safelight.trained import Trained

COSTS = (
    "training: network rows", "training: s", "a picture: network rows", "a picture: peak MB", "a picture: s",
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A row, besides its figures.

    concept: the text it goes by. trained: what its training made and cost, None where nothing is trained.
    rows: of the network for one picture. memory: bytes held at most while one is drawn alone, see
    `diffusion.peak`. seconds: a picture's share of its block's time.
    """

    name: str
    concept: str
    trained: Trained | None
    rows: int
    memory: int | None = field(compare=False)
    seconds: Figure

    @property
    def costs(self) -> list[str]:
        """In the order of `COSTS`."""
        made, time = self.trained, Cell(self.name, "", "seconds", "", False, self.seconds)
        return [
            f"{made.rows:,}" if made else "",
            f"{made.seconds:.1f}" if made else "",
            str(self.rows),
            "unknown" if self.memory is None else f"{self.memory / 1e6:.0f}",
            time.text,
        ]


@dataclass(frozen=True)
class Filled:
    """The figures of each task, and the rows' texts and costs, the unguarded model first. Without figures and
    rows as long as other shards are missing.
    """

    layout: Layout
    published: bool
    tables: tuple[Table, ...]
    entries: tuple[Entry, ...]

    def grid(self) -> tuple[list[str], list[list[str]]]:
        """Header and lines: the layout's columns, between the rows' texts and costs."""
        header, lines = grid(*self.tables)
        wanted = [
            f"{table.task.partition('@')[0]}: {column}"
            for table, columns in zip(self.tables, self.layout.tasks.values(), strict=True)
            for column in columns
        ]
        found = [dict(zip(header, line, strict=True)) for line in lines]
        return ["row", "concept", *wanted, *COSTS], [
            [entry.name, entry.concept, *(line.get(column, "") for column in wanted), *entry.costs]
            for entry, line in zip(self.entries, found, strict=True)
        ]

    def facts(self) -> list[str]:
        """What makes the figures comparable, and where to be careful."""
        schedule = "the published schedules" if self.published else "the fast schedules"
        if not any(row.fast or row.published for row in self.layout.row):
            schedule = "the rows' own schedules"
        costs = f"Network rows are exact, of a whole training and of one picture of {self.tables[0].task}"
        time = (
            "peak MB are of a GPU's tensors or of the whole process; seconds are this machine's with all "
            "else that it did meanwhile"
        )
        return [*map(facts, self.tables), f"{self.layout.id}, {schedule}. {costs}; {time}."]

    def markdown(self) -> str:
        """The grid with the facts beneath it."""
        return "\n".join([ruled(*self.grid()), "", *self.facts()])

    def json(self) -> dict[str, Any]:
        """Plain data: every figure of every task, with the layout and each row's artifact and costs."""
        return {
            "table": self.layout.model_dump(),
            "published": self.published,
            "rows": [asdict(entry) for entry in self.entries],
            "tasks": [table.json() for table in self.tables],
        }
