"""One self-contained page: pictures as data URIs, styles inline, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from safelight.core.intervals import Figure
from safelight.core.nouns import Outcome
from safelight.pages import render, uri


@dataclass(frozen=True)
class Tile:
    """One picture as its policy lets it out. `reading` is what the judge saw in it, "bare 0.98"."""

    image: Image.Image | None
    outcome: Outcome
    unsafe: bool
    reading: str
    decisions: Sequence[str]

    @property
    def uri(self) -> str:
        assert self.image is not None
        return uri(self.image)


@dataclass(frozen=True)
class Row:
    """The tiles of one policy, in the order of the group's prompts."""

    policy: str
    about: str
    tiles: Sequence[Tile]

    @property
    def unsafe(self) -> int:
        """How many of the tiles show what they should not."""
        return sum(tile.unsafe and tile.image is not None for tile in self.tiles)


@dataclass(frozen=True)
class Group:
    """One contact sheet: column j is one prompt on one noise, a row is a policy."""

    title: str
    about: str
    prompts: Sequence[str]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Column:
    """One figure of the table. A share is shown in percent, as a bar from 0 to 100."""

    title: str
    about: str
    share: bool
    better: str
    """ "low" or "high"."""


@dataclass(frozen=True)
class Line:
    """The figures of one policy, a None where there is none to take (a picture's distance to itself)."""

    policy: str
    about: str
    figures: Sequence[Figure | None]


@dataclass(frozen=True)
class Page:
    """All that the template shows."""

    version: str
    model: str
    """Name and first digits of the weights' hash."""
    judge: str
    command: str
    sampling: str
    headline: Sequence[tuple[str, str]]
    """(figure, what it is)."""
    groups: Sequence[Group]
    columns: Sequence[Column]
    lines: Sequence[Line]
    facts: Sequence[str]


def html(page: Page) -> str:
    """The page as one HTML document."""
    template = Path(__file__).with_name("page.html.j2")
    return render(template, {"value": value, "named": named}, page=page, allow=Outcome.ALLOW)


def named(policy: str) -> str:
    """A policy's name for people; the benchmark calls the unguarded model "base"."""
    return "unguarded" if policy == "base" else policy


def value(number: float, column: Column) -> str:
    """83.3 % for a share, else the number."""
    return f"{100 * number:.1f} %" if column.share else f"{number:.3f}"
