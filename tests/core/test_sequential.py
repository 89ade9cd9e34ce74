from __future__ import annotations

from math import comb, lgamma, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.core.errors import BadInput
from safelight.core.intervals import mcnemar, wilson
from safelight.core.sequential import evidence, interval, order

COUNT = st.integers(0, 200)


def beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


@given(COUNT, COUNT, st.floats(0.01, 0.99))
def test_it_is_the_mixture_of_its_equation(u: int, v: int, rate: float):
    wanted = beta(u + 0.5, v + 0.5) - beta(0.5, 0.5) - u * log(rate) - v * log(1 - rate)
    found = float(evidence(np.array(u), np.array(v), rate))
    assert found == pytest.approx(wanted, abs=1e-9)
    assert float(evidence(np.array(v), np.array(u), 1 - rate)) == pytest.approx(found, abs=1e-9)


@given(COUNT, COUNT, st.sampled_from([0.2, 0.5, 0.8]))
def test_it_does_not_grow_on_average_where_there_is_nothing_to_find(u: int, v: int, rate: float):
    now, hit, miss = np.exp(evidence(np.array([u, u + 1, u]), np.array([v, v, v + 1]), rate))
    assert rate * hit + (1 - rate) * miss == pytest.approx(now, rel=1e-9)


@given(COUNT, COUNT)
def test_read_once_it_is_no_sharper_than_mcnemars_test(u: int, v: int):
    assert mcnemar([1] * u + [0] * v, [0] * u + [1] * v) <= np.exp(-evidence(np.array(u), np.array(v)))


def test_equal_rates_read_after_every_picture_are_told_apart_at_most_as_often_as_stated():
    a, b = np.random.default_rng(0).random((2, 1000, 1000)) < 0.5
    up, down = np.cumsum(a & ~b, 1), np.cumsum(b & ~a, 1)
    alarms = (evidence(up, down) >= log(20)).any(1).mean()
    assert 0.005 < alarms <= 0.05  # sound, and not asleep
    fixed = np.abs(up - down) > 1.96 * np.sqrt(np.maximum(up + down, 1))
    assert fixed[:, 30:].any(1).mean() > 0.3  # the test that may be read once


def test_prompts_may_be_as_unlike_as_they_like_where_whole_passes_are_read():
    rates = np.repeat([[0.95, 0.05], [0.05, 0.95]], 15, axis=1)  # one stack's prompts, then the other's
    a, b = np.random.default_rng(1).random((1000, 2, 990)).swapaxes(0, 1) < np.tile(rates, 33)[:, None]
    up, down = (np.cumsum(x, 1) for x in (a & ~b, b & ~a))
    shown = evidence(up, down) >= log(20)
    assert shown[:, 29::30].any(1).mean() <= 0.05
    assert shown.any(1).mean() > 0.9  # within a pass their order misleads


def test_a_single_rate_is_not_taken_for_less_than_it_is():
    hits = np.cumsum(np.random.default_rng(2).random((1000, 1000)) < 0.05, 1)
    seen = np.broadcast_to(np.arange(1, 1001), hits.shape)
    shown = evidence(hits, seen - hits, 0.05) >= log(20)
    assert (shown & (hits < 0.05 * seen)).any(1).mean() <= 0.05
    none = np.zeros(400, int)
    assert int(np.argmax(evidence(none, np.arange(400), 0.02) >= log(20))) == 320  # pictures, none hit


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (3, 10), (81, 100), (1, 300)])
def test_an_interval_for_any_time_holds_the_one_that_may_be_read_once(hits: int, n: int):
    (lo, hi), (left, right) = interval(hits, n), wilson(hits, n)
    assert 0 <= lo <= left <= hits / n <= right <= hi <= 1
    for end in (lo, hi):
        if 0 < end < 1:
            assert float(evidence(np.array(hits), np.array(n - hits), end)) == pytest.approx(
                log(20), abs=1e-3
            )
    assert interval(n - hits, n) == pytest.approx((1 - hi, 1 - lo), abs=1e-6)


def test_the_interval_holds_the_rate_after_every_picture():
    draws, held = np.random.default_rng(5).random((100, 200)) < 0.3, 0
    for draw in draws:
        ends = [interval(int(draw[:t].sum()), t) for t in range(1, 201, 10)]
        held += all(lo <= 0.3 <= hi for lo, hi in ends)
    assert held >= 95


def test_a_large_difference_is_found_within_few_pictures():
    draws = np.random.default_rng(3).random((200, 300))
    found = [
        order(lambda i, t, z=z: z[:t] < (0.81, 0.20)[i], 2, range(1, 301), 0.05).drawn.max() for z in draws
    ]
    assert np.median(found) < 20
    assert max(found) < 45


RATES = np.array([0.81, 0.80, 0.78, 0.62, 0.08, 0.04])


def test_early_the_order_is_that_of_the_full_data():
    n, tau, false = 1000, [], 0
    truth = np.sign(RATES[:, None] - RATES[None])
    for z in np.random.default_rng(4).random((100, n)):
        x = z < RATES[:, None]  # one noise for all
        found = order(lambda i, t, x=x: x[i, :t], 6, range(10, 151, 10), 0.05, "all")
        assert found.drawn.max() <= 150
        told = np.where(found.decided != 0, found.decided, found.lean)
        tau.append((told * truth)[np.triu_indices(6, 1)].mean())
        false += bool(((found.decided != 0) & (found.decided != truth)).any())
    assert np.mean(tau) >= 0.95
    assert false <= 5


def test_losers_are_drawn_no_further_and_the_rest_is_said_not_to_be_told_apart():
    asked: list[tuple[int, int]] = []

    def draw(i: int, t: int) -> np.ndarray:
        asked.append((i, t))
        return np.arange(t) % 10 < (9, 1, 1)[i]

    found = order(draw, 3, [10, 20, 50, 100], 0.05)
    assert found.drawn.tolist() == [20, 100, 100]
    assert found.decided.tolist() == [[0, 1, 1], [-1, 0, 0], [-1, 0, 0]]
    assert found.left.tolist() == [False, True, True]
    assert (0, 50) not in asked
    assert order(draw, 3, [10, 20, 50], 0.05, "all").drawn.tolist() == [20, 50, 50]


def test_one_thing_alone_needs_no_picture():
    assert order(lambda i, t: np.zeros(t, bool), 1, [10], 0.05).left.tolist() == [True]


def test_more_comparisons_need_more_evidence():
    def drawn(m: int) -> int:
        return int(order(lambda i, t: np.full(t, i == 0), m, range(1, 99), 0.05).drawn[0])

    assert drawn(2) == 7
    for m in (2, 6):
        needed = drawn(m)
        assert evidence(np.array(needed), np.array(0)) >= log(comb(m, 2) / 0.05)
        assert evidence(np.array(needed - 1), np.array(0)) < log(comb(m, 2) / 0.05)


@pytest.mark.parametrize("alpha", [0.0, 1.0, float("nan")])
def test_an_error_rate_is_a_probability(alpha: float):
    with pytest.raises(BadInput, match="alpha is a probability"):
        order(lambda i, t: np.zeros(t, bool), 2, [1], alpha)
    with pytest.raises(BadInput, match="rate to test against"):
        evidence(np.array(1), np.array(1), alpha)
