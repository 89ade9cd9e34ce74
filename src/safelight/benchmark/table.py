"""Stored scores to figures with intervals, and figures to a table: a row a policy, a column a measure."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from safelight.benchmark.derived import DERIVED, UNSAFE, Stored, Values
from safelight.benchmark.naming import family, heading, stem
from safelight.benchmark.reference import Reference, distances, renders
from safelight.core.intervals import Figure, difference, mcnemar, mean, share
from safelight.core.records import Sample
from safelight.core.registry import get
from safelight.metrics import Distance
from safelight.metrics.erase_rate import erase_rate
from safelight.store import Store
from safelight.tasks import Task


@dataclass(frozen=True)
class Cell:
    """One figure of one policy.

    metric: "name@version" or "name:label@version"; where a metric pools its labels, the former is of all
    their values together, and its n counts values. judge: "name:preset@version", empty where none was asked.
    share: whether the figure is one. change: the paired difference to the unguarded model on the same prompts
    and noise, None for that model itself and for whole sets. p: of McNemar's test, for shares of one picture
    a prompt. erased: of what a judge finds unsafe, the part of that model's that is gone.
    """

    policy: str
    run: str
    metric: str
    judge: str
    share: bool
    figure: Figure
    change: Figure | None = None
    p: float | None = None
    erased: Figure | None = None

    @property
    def heading(self) -> str:
        """What stands over its column: names without versions."""
        return heading(self.metric, self.judge)

    @property
    def text(self) -> str:
        """Value and interval, shares in percent, with the number of pictures that could not be measured."""
        figure, failed = self.figure, f" ({self.figure.failed} failed)" if self.figure.failed else ""
        if figure.value is None:
            return f"{figure.how}{failed}"
        said = self.spell(figure.value) + (" %" if self.share else "")
        if figure.lo is None or figure.hi is None:
            return said + failed
        return f"{said} [{self.spell(figure.lo)}, {self.spell(figure.hi)}]{failed}"

    @property
    def change_text(self) -> str:
        """The paired difference with its interval and McNemar's p, shares in percentage points."""
        change = self.change
        if change is None or change.value is None:
            return "" if change is None else change.how
        said = self.spell(change.value, "+") + (" points" if self.share else "")
        if change.lo is not None and change.hi is not None:
            said += f" [{self.spell(change.lo, '+')}, {self.spell(change.hi, '+')}]"
        return said + ("" if self.p is None else f", p = {self.p:.2g}")

    def spell(self, number: float, sign: str = "") -> str:
        """A value, bound or difference of this cell in its digits, without the unit."""
        if self.share:
            return f"{100 * number:{sign}.1f}"
        large = self.figure.value is not None and abs(self.figure.value) >= 10
        return f"{number:{sign}.{1 if large else 3}f}"


@dataclass(frozen=True)
class Table:
    """Figures of one task, the unguarded model first: n pictures a policy, of `prompts` prompts."""

    task: str
    n: int
    prompts: int
    cells: tuple[Cell, ...]

    def json(self) -> dict[str, Any]:
        """Plain data: every figure with its n, its interval and how that was found."""
        return asdict(self)


def table(
    store: Store,
    task: Task,
    runs: Mapping[str, str],
    n: int,
    sets: Sequence[Distance] = (),
    derived: Sequence[str] = (),
) -> Table:
    """Figures of the first n pictures of each run, recomputed from the stored scores.

    runs: policy -> run, the unguarded model first. sets: distances to compute from the stored pictures.
    derived: names of figures of whole runs.
    """
    references = [(distance, renders(task, distance.features)) for distance in sets]
    return Table(task.id, n, min(n, len(task.rows)), cells_of(store, runs, n, references, derived))


def cells_of(
    store: Store,
    runs: Mapping[str, str],
    n: int,
    references: Sequence[Reference] = (),
    derived: Sequence[str] = (),
) -> tuple[Cell, ...]:
    """The cells of a table: those of each run, and its paired differences to the first of them."""
    cells: list[Cell] = []
    base: dict[tuple[str, str], Values] = {}
    for policy, run in runs.items():
        samples = store.samples(run)[:n]
        _warn_of_copies(policy, samples)
        scores = _scores(store, run, samples)
        for (metric, judge), values in scores.items():
            cells.append(_cell(policy, run, metric, judge, values, base.get((metric, judge))))
        for name, figure in distances(samples, store.images, references):
            cells.append(Cell(policy, run, name, "", False, figure))
        stored = Stored(samples, scores, store.decisions(run) if derived else ())
        cells += [Cell(policy, run, name, by, True, f) for name in derived for by, f in DERIVED[name](stored)]
        base = base or scores
    return tuple(cells)


def figures_of(metric: str) -> set[str]:
    """The figures that the scores "name:label@version" go into: their own, and that of all labels if they
    pool.
    """
    pooled = getattr(get("metrics", family(metric)), "pooled", False)
    return {metric, stem(metric)} if pooled else {metric}


def grid(*tables: Table) -> tuple[list[str], list[list[str]]]:
    """Header and lines of text: policies down, all tables' columns across, an empty text where there is no
    figure.
    """
    at = {
        (cell.policy, f"{each.task.partition('@')[0]}: {cell.heading}"): cell.text
        for each in tables
        for cell in each.cells
    }
    policies, columns = _distinct(policy for policy, _ in at), _distinct(column for _, column in at)
    return ["policy", *columns], [
        [policy, *(at.get((policy, c), "") for c in columns)] for policy in policies
    ]


def markdown(*tables: Table) -> str:
    """The grid, and beneath it what makes its figures comparable: n, prompts, metrics and judges with
    versions.
    """
    return "\n".join([ruled(*grid(*tables)), "", *map(facts, tables)])


def ruled(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A grid as Markdown."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def spelled(figure: Figure, share: bool = True) -> str:
    """A figure as the tables have it, shares in percent."""
    return Cell("", "", "", "", share, figure).text


def facts(each: Table) -> str:
    """What makes a table's figures comparable, in one line."""
    said = _distinct(f"{c.metric} by {c.judge}" if c.judge else c.metric for c in each.cells)
    n = f"{each.n} pictures of {each.prompts} prompts a policy"
    return f"{each.task}: {n}, 95 % intervals; {', '.join(said)}."


def _scores(store: Store, run: str, samples: Sequence[Sample]) -> dict[tuple[str, str], Values]:
    """By metric and judge, in the order of the task; of several labels each, and what they pool."""
    place = {sample.id: (sample.row, sample.k) for sample in samples}
    found: dict[tuple[str, str], dict[tuple[int, int, str], float | None]] = {}
    for score in store.scores(run):
        if score.sample in place:
            for metric in figures_of(score.metric):
                values = found.setdefault((metric, score.judge), {})
                values[*place[score.sample], score.metric] = score.value
    return {key: dict(sorted(values.items())) for key, values in sorted(found.items())}


def _cell(policy: str, run: str, metric: str, judge: str, values: Values, base: Values | None) -> Cell:
    rows = [row for row, _, _ in values]
    is_share = get("metrics", family(metric)).share
    figure = (share if is_share else mean)(list(values.values()), rows)
    if base is None:
        return Cell(policy, run, metric, judge, is_share, figure)
    there = [place for place in values if place in base]
    pairs = [(values[place], base[place]) for place in there]
    change = difference([a for a, _ in pairs], [b for _, b in pairs], [row for row, _, _ in there])
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    single = is_share and len(set(rows)) == len(rows)
    p = mcnemar([a for a, _ in both], [b for _, b in both]) if single else None
    gone = None
    if family(metric) in UNSAFE:
        gone = erase_rate([a for a, _ in pairs], [b for _, b in pairs], [row for row, _, _ in there])
    return Cell(policy, run, metric, judge, is_share, figure, change, p, gone)


def _warn_of_copies(policy: str, samples: Sequence[Sample]) -> None:
    stored = [sample.image_hash for sample in samples if sample.image_hash]
    if copies := len(stored) - len(set(stored)):
        warnings.warn(f"{policy}: {copies} of {len(stored)} pictures are copies of others", stacklevel=3)


def _distinct(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))
