"""Stacks: every part alone and every two on top of each other, against the sum of their single effects.

With x the unsafe share, 0 the unguarded model, and all four on the same prompts and noise,

    effect(s) = x_s - x_0
    interaction(a, b) = effect(ab) - (effect(a) + effect(b)) = x_ab - x_a - x_b + x_0

is a mean over pictures, so its interval is the paired bootstrap's. Below 0 the two help each other, above 0
they are in each other's way. Shares end at 0: where the sum of two effects lies beyond, no pair can reach it,
and only the gain over the better of the two alone says whether the second is worth having.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from safelight.benchmark.blocks import Progress, quiet
from safelight.benchmark.derived import UNSAFE
from safelight.benchmark.naming import family
from safelight.benchmark.outcomes import Place, scores
from safelight.benchmark.protocol import sampling_of
from safelight.benchmark.runner import BASE, bench, loaded
from safelight.benchmark.table import Cell, Table
from safelight.core.errors import BadInput, Refused
from safelight.core.intervals import Figure, difference, mean
from safelight.core.ports import Judge
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.policies import Policy
from safelight.store import Store
from safelight.tasks import Task


@dataclass(frozen=True)
class Pair:
    """Two parts in one policy, a's methods and checks first. problems: why they cannot run, else none.

    sum: the share that the two effects would add up to, below 0 where they are too large for that.
    interaction: the paired difference of the share to that sum. gain: to the better of the two alone.
    """

    a: str
    b: str
    problems: tuple[str, ...] = ()
    share: Figure | None = None
    sum: float | None = None
    interaction: Figure | None = None
    gain: Figure | None = None

    @property
    def verdict(self) -> str:
        """helps, hurts, adds up, out of reach (the sum lies below 0), refused, or unknown."""
        if self.problems:
            return "refused"
        if self.sum is None or self.interaction is None or self.interaction.value is None:
            return "unknown"
        if self.sum < 0:
            return "out of reach"
        lo, hi = self.interaction.lo, self.interaction.hi
        if lo is None or hi is None:
            return "unknown"
        return "hurts" if lo > 0 else "helps" if hi < 0 else "adds up"


@dataclass(frozen=True)
class Stacks:
    """The figures of every stack, and what is between the parts, by one measure of what is unsafe."""

    table: Table
    metric: str
    judge: str
    parts: tuple[str, ...]
    pairs: tuple[Pair, ...]

    def json(self) -> dict[str, Any]:
        """Plain data."""
        pairs = [asdict(pair) | {"verdict": pair.verdict} for pair in self.pairs]
        named = {"metric": self.metric, "judge": self.judge, "parts": self.parts}
        return {**self.table.json(), **named, "pairs": pairs}


def stacks(
    task: Task | str | Path,
    model: Generator | str | Path | Any,
    parts: Sequence[Policy | str | Path],
    out: str | Path,
    n: int | None = None,
    *,
    prompts: str | Path | None = None,
    judges: Mapping[str, Judge] | None = None,
    progress: Progress = quiet,
) -> Stacks:
    """Draw and measure n pictures of a task (default: all of it) without a part, with each, with every two.

    Everything else is as in `bench`, whose runs these are: what `out` holds is not made again.

    Raises:
        BadInput: fewer than two parts, or a task that counts nothing unsafe.
        Refused: a part cannot run alone. A pair that cannot is in the result, with the reason.
    """
    task = loaded(task, prompts)
    generator = model if isinstance(model, Generator) else load(model)
    if not task.judges:
        raise BadInput(f"task '{task.name}' has no judge of what is unsafe: stacks are compared by the first")
    singles = [part if isinstance(part, Policy) else Policy.load(part) for part in parts]
    if len(singles) < 2:
        raise BadInput(f"a stack has two parts, got {len(singles)}: name at least two methods or policies")
    pairs, refused = stacked(singles, task, generator, judges)
    table = bench(task, generator, [*singles, *pairs], out, n, judges=judges, progress=progress)
    metric, judge = next(
        (cell.metric, cell.judge)
        for cell in table.cells
        if family(cell.metric) in UNSAFE and cell.judge.rpartition("@")[0] == task.judges[0]
    )
    cells = {cell.policy: cell for cell in _cells(table, metric, judge)}
    names = [part.name for part in singles]
    with Store.open(out) as store:
        x = {name: scores(store, cell.run, metric, judge, table.n) for name, cell in cells.items()}
    found = [
        Pair(a, b, refused[both]) if (both := named(a, b)) in refused else _pair(a, b, cells, x)
        for a, b in combinations(names, 2)
    ]
    return Stacks(table, metric, judge, tuple(names), tuple(found))


def named(a: str, b: str) -> str:
    """What the stack of two parts is called."""
    return f"{a} + {b}"


def stacked(
    parts: Sequence[Policy], task: Task, generator: Generator, judges: Mapping[str, Judge] | None
) -> tuple[list[Policy], dict[str, tuple[str, ...]]]:
    """The pairs that can run, and by name the problems of those that cannot.

    Raises Refused where a part cannot run even alone.
    """
    sampling = sampling_of(task, generator, task.n)
    pairs: list[Policy] = []
    refused: dict[str, tuple[str, ...]] = {}
    for part in parts:
        generator.check(part.bind(generator, judges).methods, sampling)
    for a, b in combinations(parts, 2):
        checks = tuple(dict.fromkeys(a.checks + b.checks))
        both = Policy(named(a.name, b.name), a.methods + b.methods, checks, a.keep_prompts and b.keep_prompts)
        try:
            generator.check(both.bind(generator, judges).methods, sampling)
            pairs.append(both)
        except Refused as error:
            refused[both.name] = error.problems
    return pairs, refused


def part_of(method: str) -> Policy:
    """NAME or NAME:PRESET, a method with its default settings, as a policy of that name."""
    name, _, preset = method.partition(":")
    return Policy(method, ({"use": name} | ({"preset": preset} if preset else {}),))


def matrix(found: Stacks) -> tuple[list[str], list[list[str]], list[str]]:
    """Header, lines and notes, in points: on the diagonal the effect of one part, above it the interaction of
    two with its verdict, below it the gain over the better of the two. The notes are refusals, numbered.
    """
    effects = {c.policy: c.change for c in _cells(found.table, found.metric, found.judge)}
    at = {frozenset((pair.a, pair.b)): pair for pair in found.pairs}
    notes = list(dict.fromkeys(problem for pair in found.pairs for problem in pair.problems))
    lines = []
    for i, a in enumerate(found.parts):
        line = [a]
        for j, b in enumerate(found.parts):
            if i == j:
                line.append(points(effects[a]))
                continue
            pair = at[frozenset((a, b))]
            if pair.problems:
                numbers = ", ".join(str(1 + notes.index(problem)) for problem in pair.problems)
                line.append(f"refused: {numbers}" if i < j else "")
            else:
                line.append(f"{points(pair.interaction)} {pair.verdict}" if i < j else points(pair.gain))
        lines.append(line)
    said = [f"{k}. {problem}" for k, problem in enumerate(notes, 1)]
    return ["", *found.parts], lines, said


def points(figure: Figure | None) -> str:
    """A difference of shares in percentage points, with its interval."""
    if figure is None or figure.value is None:
        return "nothing measured"
    ends = (
        "" if figure.lo is None or figure.hi is None else f" [{100 * figure.lo:+.1f}, {100 * figure.hi:+.1f}]"
    )
    return f"{100 * figure.value:+.1f}{ends}"


def _cells(table: Table, metric: str, judge: str) -> list[Cell]:
    return [cell for cell in table.cells if (cell.metric, cell.judge) == (metric, judge)]


def _pair(a: str, b: str, cells: Mapping[str, Cell], x: Mapping[str, Mapping[Place, float | None]]) -> Pair:
    share = {name: cells[name].figure for name in (named(a, b), a, b, BASE.name)}
    ab, one, other, none = (figure.value for figure in share.values())
    if ab is None or one is None or other is None or none is None:
        return Pair(a, b, share=share[named(a, b)])
    values = [list(x[name].values()) for name in share]
    rows = [row for row, _ in x[a]]
    beyond = [
        None if None in four else float(np.dot(four, (1, -1, -1, 1))) for four in zip(*values, strict=True)
    ]
    gain = difference(values[0], values[1] if one <= other else values[2], rows)
    return Pair(a, b, (), share[named(a, b)], one + other - none, mean(beyond, rows), gain)
