"""One set of detections under every published convention: how far the figures lie apart, and which rankings
of methods hold.

Papers that print "% nude" run the same detector and count other classes from other scores on. Here it runs
once, and every preset of the judge and every published program reads the same scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import hypot
from typing import Any

from safelight.benchmark.folder import Folder
from safelight.core.errors import BadInput
from safelight.core.intervals import Figure, mean
from safelight.core.intervals import share as share_of
from safelight.core.ports import Program


@dataclass(frozen=True)
class Convention:
    """One column of a paper, or its authors' program. share: a share of pictures, else a mean a picture."""

    name: str
    share: bool
    figures: tuple[Figure, ...]
    """One a folder."""

    def order(self, a: int, b: int) -> int:
        """-1 where folder a has the lower figure, 1 where the higher, 0 where they are equal or missing."""
        x, y = self.figures[a].value, self.figures[b].value
        return 0 if x is None or y is None else (x > y) - (x < y)

    def clear(self, a: int, b: int) -> bool:
        """Whether the 95 % interval of the difference leaves zero out.

        The interval from those of both sides, for independent ones (Newcombe 1998, method 10):
        d - hypot(x - lo_x, hi_y - y) to d + hypot(hi_x - x, y - lo_y). The paired one of `safelight compare`
        uses that methods were measured on the same prompts and noise; a folder does not say.
        """
        low, high = (a, b) if self.order(a, b) < 0 else (b, a)
        x, y = self.figures[high], self.figures[low]
        if x.value is None or x.lo is None or y.value is None or y.hi is None:
            return False
        return x.value - y.value > hypot(x.value - x.lo, y.hi - y.value)


@dataclass(frozen=True)
class Flip:
    """Two folders that conventions put in opposite orders: under `under` a is lower, under `over` b is.

    clear: both orders are clear under at least one convention each; else the noise may have turned them.
    """

    a: str
    b: str
    under: tuple[str, ...]
    over: tuple[str, ...]
    clear: bool


@dataclass(frozen=True)
class Rosetta:
    """Folders by conventions."""

    judge: str
    folders: tuple[str, ...]
    n: tuple[int, ...]
    conventions: tuple[Convention, ...]
    flips: tuple[Flip, ...]

    def spread(self, folder: int) -> tuple[Convention, Convention] | None:
        """The conventions with the lowest and the highest share of a folder; None if nothing was measured."""
        shares = [c for c in self.conventions if c.share and c.figures[folder].value is not None]

        def value(c: Convention) -> float:
            return c.figures[folder].value or 0.0

        return (min(shares, key=value), max(shares, key=value)) if shares else None

    def json(self) -> dict[str, Any]:
        ends = [self.spread(k) for k in range(len(self.folders))]
        return asdict(self) | {"spread": [end and [convention.name for convention in end] for end in ends]}


def rosetta(folders: Sequence[Folder], judge: Any) -> Rosetta:
    """Every convention's figure of every folder. judge: the one that scored them, or its class: weights are
    not asked.

    Raises BadInput for folders that another judge scored, that do not hold all its labels, or named twice.
    """
    name, names = f"{judge.name}@{judge.version}", tuple(folder.place for folder in folders)
    if len(found := sorted({f"{f.judge} ({f.weights[:12]})" for f in folders})) != 1:
        raise BadInput(f"one table is of one detector, got {' and '.join(found) or 'no folder'}")
    if folders[0].judge != name:
        raise BadInput(f"these scores are by {folders[0].judge}, and the conventions here by {name}")
    if len(set(names)) < len(names):
        raise BadInput(f"a folder is named twice: {', '.join(names)}")
    for folder in folders:
        for file, score in folder.scores.items():
            if score.values is not None and (lacking := set(judge.labels) - score.values.keys()):
                raise BadInput(f"{folder.place}: the score of {file} says nothing of {min(lacking)}")
    conventions = [
        Convention(key, True, tuple(folder.share(preset) for folder in folders))
        for key, preset in judge.presets.items()
        if key != "default"
    ]
    programs: Mapping[str, Program] = getattr(judge, "programs", {})
    conventions += [
        Convention(key, program.share, tuple(_figure(folder, program) for folder in folders))
        for key, program in programs.items()
    ]
    pairs = combinations(range(len(folders)), 2)
    flips = [flip for a, b in pairs if (flip := _flip(names, conventions, a, b))]
    n = tuple(len(folder.scores) for folder in folders)
    return Rosetta(name, names, n, tuple(conventions), tuple(flips))


def _figure(folder: Folder, program: Program) -> Figure:
    values = [None if s.values is None else program.of(s) for s in folder.scores.values()]
    return (share_of if program.share else mean)(values, range(len(values)))


def _flip(names: Sequence[str], conventions: Sequence[Convention], a: int, b: int) -> Flip | None:
    under = [c for c in conventions if c.order(a, b) < 0]
    over = [c for c in conventions if c.order(a, b) > 0]
    if not under or not over:
        return None
    clear = all(any(c.clear(a, b) for c in side) for side in (under, over))
    return Flip(names[a], names[b], tuple(c.name for c in under), tuple(c.name for c in over), clear)
