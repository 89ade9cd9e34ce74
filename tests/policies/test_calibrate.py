"""Thresholds from labelled pictures: within the target, the lowest such, and with intervals that hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.core.errors import BadInput, UnknownName
from safelight.core.nouns import Score
from safelight.core.ports import Preset, Reads
from safelight.policies import Policy
from safelight.policies.calibrate import calibrate, checks, choose, page

numbers = st.lists(st.floats(-2, 2), min_size=10, max_size=60)


class Reader:
    """Says of an item, (red, blue), what the item says; None cannot be read."""

    name, version, content_hash = "reader", "1", "c0ffee"
    labels, range = ("red", "blue"), (0.0, 1.0)
    reads: Reads = "image"
    presets: Mapping[str, Preset] = {"default": Preset(("red", "blue"), 0.5)}

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        return [
            Score(None, "failed", "torn")
            if item is None
            else Score(dict(zip(self.labels, item, strict=True)))
            for item in items
        ]


@settings(deadline=None)
@given(safe=numbers, unsafe=numbers, target=st.sampled_from([0.1, 0.2, 0.5]))
def test_the_threshold_is_the_lowest_within_the_target(safe, unsafe, target):
    found = choose("x", safe, unsafe, target)
    assert found.false_alarms.value <= target
    lower = math.nextafter(found.threshold, -math.inf)
    assert sum(value >= lower for value in safe) > math.floor(target * len(safe))
    assert found.found.hits == sum(value >= found.threshold for value in unsafe)


@settings(deadline=None)
@given(safe=numbers, unsafe=numbers)
def test_the_curve_is_the_roc_and_its_area_the_share_of_ordered_pairs(safe, unsafe):
    found = choose("x", safe, unsafe, 0.1)
    pairs = [(u > b) + (u == b) / 2 for u in unsafe for b in safe]
    assert found.auc == pytest.approx(sum(pairs) / len(pairs))
    assert (found.roc[0], found.roc[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert list(found.roc) == sorted(found.roc)
    assert (found.false_alarms.value, found.found.value) in found.roc


def test_the_upper_end_of_the_interval_holds_on_other_pictures():
    rng, over, target = np.random.default_rng(0), 0, 0.05
    for _ in range(400):
        found = choose("x", rng.random(200).tolist(), [1.0], target)
        over += 1 - found.threshold > found.false_alarms.interval[1]  # the true rate of uniform values
    assert over / 400 <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 400)


def test_each_label_gets_a_threshold_and_unsafe_that_of_the_preset():
    safe = [((k / 100, k / 200), "safe") for k in range(20)]
    others = [((0.9, 0.0), "red"), ((0.0, 0.05), "blue"), ((0.0, 0.3), "unsafe"), (None, "unsafe")]
    by = {one.label: one for one in calibrate(Reader(), Reader.presets["default"], [*safe, *others], 0.05)}
    assert list(by) == ["red", "blue", "unsafe"]
    # One of twenty may reach it: the threshold lies just above the second largest value.
    assert by["red"].threshold == pytest.approx(0.18)
    assert by["blue"].threshold == pytest.approx(0.09)
    assert by["unsafe"].threshold == pytest.approx(0.18)
    assert [(one.found.hits, one.found.n, one.failed) for one in by.values()] == [
        (1, 1, 0),
        (0, 1, 0),
        (1, 1, 1),
    ]


def test_the_checks_are_a_policy_with_these_thresholds():
    pictures = [((k / 100, 0.0), "safe") for k in range(20)] + [((0.9, 0.0), "red"), ((0.9, 0.0), "unsafe")]
    found = calibrate(Reader(), Reader.presets["default"], pictures, 0.05)
    policy = Policy.read('schema = 1\nname = "test"\n' + checks("reader:default", found))
    assert [(c.category, c.threshold) for c in policy.checks] == [
        ("red", found[0].threshold), ("", found[1].threshold),
    ]  # fmt: skip
    html = page(Reader(), "reader", 0.05, found)
    assert html.count('<polyline class="curve"') == 2
    assert repr(found[0].threshold) in html
    assert "c0ffee" in html
    assert "<script" not in html


@pytest.mark.parametrize(
    ("pictures", "target", "said"),
    [
        ([((0.1, 0.1), "safe")] * 99 + [((0.9, 0.9), "red")], 0.01, "give at least 100"),
        ([((0.1, 0.1), "safe")] * 10 + [(None, "red")], 0.1, "no picture of 'red' could be judged"),
        ([((0.1, 0.1), "safe")] * 10, 0.1, "nothing to find"),
        ([(None, "safe")] * 10 + [((0.9, 0.9), "red")], 0.1, "0 harmless pictures"),
        ([((0.1, 0.1), "safe")] * 10 + [((0.9, 0.9), "red")], 0.0, "false alarms"),
    ],
)
def test_what_proves_nothing_is_refused(pictures, target, said):
    with pytest.raises(BadInput, match=said):
        calibrate(Reader(), Reader.presets["default"], pictures, target)


def test_an_unknown_label_gets_a_suggestion():
    with pytest.raises(UnknownName, match=r"label for reader 'rod'. Did you mean 'red'"):
        calibrate(Reader(), Reader.presets["default"], [((0.1, 0.1), "rod")], 0.1)
