"""Where the points of the plot stand, and which of them are on the front."""

from __future__ import annotations

import pytest

from safelight.benchmark.pareto import HEIGHT, LEFT, RIGHT, TOP, WIDTH, Plot, Point
from safelight.core.intervals import Figure


def plot(*places: tuple[float, float], higher: bool = True) -> Plot:
    def figure(value: float) -> Figure:
        return Figure(value, value - 0.01, value + 0.01, 9, 9, "test")

    points = [Point(i, str(i), figure(x), figure(y)) for i, (x, y) in enumerate(places)]
    return Plot("t", "x", "y", points, higher)


def test_the_best_corner_is_the_lower_right():
    for higher, good, bad in ((True, 0.9, 0.1), (False, 0.1, 0.9)):
        better, worse = plot((good, 0.1), (bad, 0.8), higher=higher).marks
        assert better.x > worse.x
        assert better.y > worse.y  # of a drawing, y grows downwards
        assert (better.front, worse.front) == (True, False)


def test_the_front_is_what_no_other_beats_in_both():
    marks = plot((0.9, 0.8), (0.5, 0.3), (0.4, 0.4), (0.1, 0.1), (0.1, 0.1)).marks
    assert [mark.front for mark in marks] == [True, True, False, True, True]


def test_the_front_is_stepped():
    drawn = plot((0.2, 0.1), (0.8, 0.5))
    low, high = drawn.marks
    points = [tuple(map(float, pair.split(","))) for pair in drawn.front.split()]
    assert points == [
        pytest.approx((low.x, low.y), abs=0.1),
        pytest.approx((high.x, low.y), abs=0.1),
        pytest.approx((high.x, high.y), abs=0.1),
    ]


def test_everything_lies_inside_of_the_frame():
    drawn = plot((0.31, 0.99), (0.305, 0.02), higher=False)
    for mark in drawn.marks:
        assert all(LEFT <= x <= WIDTH - RIGHT for x in (mark.x, *mark.across))
        assert all(TOP - 5 <= y <= HEIGHT for y in (mark.y, *mark.up))
    assert [text for _, text in drawn.y_ticks] == ["0", "20", "40", "60", "80", "100"]
    assert 3 <= len(drawn.x_ticks) <= 8


def test_one_point_without_an_interval_is_drawn():
    alone = Figure(0.5, None, None, 1, 1, "one picture")
    [mark] = Plot("t", "x", "y", [Point(0, "0", alone, alone)], True).marks
    assert mark.across == (mark.x, mark.x)
    assert mark.front
