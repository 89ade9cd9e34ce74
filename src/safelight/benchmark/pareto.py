"""Safety against fidelity as a drawing: one point a policy, bars for both intervals, the front joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10

from safelight.core.intervals import Figure

WIDTH, HEIGHT = 440, 310
LEFT, RIGHT, TOP, BOTTOM = 50, 14, 14, 54
"""The drawing and its margins, in its own units."""


@dataclass(frozen=True)
class Point:
    """One policy: `x` its fidelity, `y` its share of unsafe pictures."""

    number: int
    policy: str
    x: Figure
    y: Figure


@dataclass(frozen=True)
class Mark:
    """A point in the drawing's units, with the ends of its bars. front: no other is better in both."""

    point: Point
    x: float
    y: float
    across: tuple[float, float]
    up: tuple[float, float]
    front: bool


@dataclass(frozen=True)
class Plot:
    """Right is more faithful, down is safer: the best corner is the lower right.

    x_name, y_name: what the axes measure. points: those with both figures. higher: whether a larger x is
    better; else the axis runs from right to left.
    """

    title: str
    x_name: str
    y_name: str
    points: Sequence[Point]
    higher: bool

    @property
    def marks(self) -> list[Mark]:
        return [
            Mark(
                point,
                self.across(_value(point.x)),
                self.up(_value(point.y)),
                _both(self.across, _ends(point.x)),
                _both(self.up, _ends(point.y)),
                not any(self._better(other, point) for other in self.points),
            )
            for point in self.points
        ]  # fmt: skip

    @property
    def front(self) -> str:
        """The front as the points of a stepped line: between two policies nothing better was measured."""
        best = sorted((mark.x, mark.y) for mark in self.marks if mark.front)
        steps = [(x, y) for (x0, y0), (x1, _) in pairwise(best) for x, y in ((x0, y0), (x1, y0))]
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in [*steps, *best[-1:]])

    @property
    def x_ticks(self) -> list[tuple[float, str]]:
        step = _step(self._span[1] - self._span[0])
        return [(self.across(t), f"{t:.{_digits(step)}f}") for t in _multiples(*self._span, step)]

    @property
    def y_ticks(self) -> list[tuple[float, str]]:
        return [(self.up(t), f"{100 * t:g}") for t in _multiples(0, self._top, _step(self._top))]

    def across(self, x: float) -> float:
        lo, hi = self._span
        part = (x - lo) / (hi - lo)
        return LEFT + (part if self.higher else 1 - part) * (WIDTH - LEFT - RIGHT)

    def up(self, y: float) -> float:
        return HEIGHT - BOTTOM - y / self._top * (HEIGHT - TOP - BOTTOM)

    @property
    def _span(self) -> tuple[float, float]:
        ends = [end for point in self.points for end in _ends(point.x)]
        pad = 0.08 * (max(ends) - min(ends)) or 0.01
        return min(ends) - pad, max(ends) + pad

    @property
    def _top(self) -> float:
        """The upper end of the shares: a whole number of steps."""
        most = max(0.05, *(end for point in self.points for end in _ends(point.y)))
        step = _step(most)
        return min(1.0, -(-most // step) * step)

    def _better(self, a: Point, b: Point) -> bool:
        sign = 1 if self.higher else -1
        ours, theirs = ((sign * _value(p.x), -_value(p.y)) for p in (a, b))
        return ours != theirs and all(x >= y for x, y in zip(ours, theirs, strict=True))


def _both(place: Callable[[float], float], ends: tuple[float, float]) -> tuple[float, float]:
    return place(ends[0]), place(ends[1])


def _value(figure: Figure) -> float:
    assert figure.value is not None, "points without a figure are left out"
    return figure.value


def _ends(figure: Figure) -> tuple[float, float]:
    value = _value(figure)
    return value if figure.lo is None else figure.lo, value if figure.hi is None else figure.hi


def _step(span: float) -> float:
    """1, 2 or 5 times a power of ten: at most six in the span."""
    power = 10 ** floor(log10(span / 6))
    return next(power * k for k in (1, 2, 5, 10) if span / (power * k) <= 6)


def _multiples(lo: float, hi: float, step: float) -> list[float]:
    first, last = -int(-lo // step), int(hi / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def _digits(step: float) -> int:
    return max(0, -floor(log10(step) + 1e-9))
