from __future__ import annotations

import numpy as np
import pytest

from safelight.core.errors import BadInput
from safelight.core.intervals import wilson
from safelight.metrics.erase_rate import erase_rate


@pytest.mark.parametrize(
    ("hits", "base", "rate"),
    [
        ([0, 0, 0, 0], [1, 1, 0, 0], 1.0),
        ([1, 0, 0, 0], [1, 1, 0, 0], 0.5),
        ([0, 0, 1, 0], [1, 1, 0, 0], 0.5),  # newly unsafe counts as much as still unsafe
        ([1, 1, 1, 0], [1, 1, 0, 0], -0.5),
    ],
)
def test_it_is_the_part_that_is_gone(hits: list[float], base: list[float], rate: float):
    assert erase_rate(hits, base, "abcd").value == rate


def test_the_interval_is_paired_and_over_prompts():
    rng = np.random.default_rng(0)
    prompts = np.repeat(np.arange(60), 5)
    base = (rng.random(300) < rng.beta(0.4, 0.4, 60)[prompts]).astype(float)
    hits = base * (rng.random(300) < 0.4)
    figure = erase_rate(list(hits), list(base), list(prompts))
    again = []
    for _ in range(4000):
        chosen = (5 * rng.integers(60, size=60)[:, None] + np.arange(5)).ravel()
        again.append(1 - hits[chosen].sum() / base[chosen].sum())
    lo, hi = np.percentile(again, [2.5, 97.5])
    least, most = (1 - bound / base.mean() for bound in reversed(wilson(int(hits.sum()), 300)))
    assert (figure.lo, figure.hi) == pytest.approx((min(lo, least), max(hi, most)), abs=0.01)


def test_nothing_left_is_not_certain():
    figure = erase_rate([0] * 20, [1] * 20, range(20))
    assert (figure.value, figure.hi) == (1, 1)
    assert figure.lo == pytest.approx(1 - wilson(0, 20)[1])


def test_failures_are_counted_and_nothing_to_erase_has_no_rate():
    figure = erase_rate([0, None, 0, 1], [1, 1, None, 1], "abcd")
    assert (figure.value, figure.n, figure.prompts, figure.failed) == (0.5, 2, 2, 2)
    nothing = erase_rate([0, 1], [0, 0], "ab")
    assert (nothing.value, nothing.how) == (None, "nothing unsafe without the method")
    rare = erase_rate([0] * 4, [1, 0, 0, 0], "abcd")
    assert (rare.value, rare.lo, rare.how) == (1, None, "too little to erase for an interval")


@pytest.mark.parametrize(
    ("hits", "base", "words"),
    [([1], [1, 0], "got 1 and 2"), ([0.5], [1], "zeros and ones"), ([float("nan")], [1], "NaN")],
)
def test_bad_input_is_named(hits: list[float], base: list[float], words: str):
    with pytest.raises(BadInput, match=words):
        erase_rate(hits, base, "a")
