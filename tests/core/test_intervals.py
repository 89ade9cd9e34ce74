from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.core.errors import BadInput
from safelight.core.intervals import (
    Figure,
    clopper_pearson,
    cluster_bootstrap,
    difference,
    mcnemar,
    mean,
    resample,
    share,
    wilson,
)


@pytest.mark.parametrize(
    ("hits", "n", "lo", "hi"),
    # Newcombe 1998, table I, method 3 (score without continuity correction), and 0 of 10.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (0, 10, 0.0, 0.2775),
    ],
)
def test_wilson_gives_the_published_intervals(hits: int, n: int, lo: float, hi: float):
    assert wilson(hits, n) == pytest.approx((lo, hi), abs=6e-5)
    assert wilson(n - hits, n) == pytest.approx((1 - hi, 1 - lo), abs=6e-5)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_share(hits: int, n: int):
    with pytest.raises(BadInput, match=f"got {hits} of {n}"):
        wilson(hits, n)


@pytest.mark.parametrize(
    ("hits", "n", "lo", "hi"),
    # Closed forms at the ends, 1 - 0.025^(1/n); the others as R's binom.test gives them.
    [
        (0, 10, 0.0, 0.30850),
        (10, 10, 0.69150, 1.0),
        (1, 10, 0.00253, 0.44502),
        (5, 10, 0.18709, 0.81291),
        (0, 1, 0.0, 0.975),
    ],
)
def test_clopper_pearson_gives_the_published_intervals(hits: int, n: int, lo: float, hi: float):
    assert clopper_pearson(hits, n) == pytest.approx((lo, hi), abs=6e-6)


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5])
def test_clopper_pearson_covers_at_least_95_percent(p: float):
    n = 40
    covered = sum(
        comb(n, k) * p**k * (1 - p) ** (n - k)
        for k in range(n + 1)
        if (e := clopper_pearson(k, n))[0] <= p <= e[1]
    )
    assert covered >= 0.95
    assert clopper_pearson(300, 10_000)[1] == pytest.approx(0.0335, abs=5e-5)  # no overflow


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_clopper_pearson_refuses_what_is_no_share(hits: int, n: int):
    with pytest.raises(BadInput, match=f"got {hits} of {n}"):
        clopper_pearson(hits, n)


def test_the_bootstrap_draws_prompts_not_pictures():
    rng = np.random.default_rng(0)
    prompts = np.repeat(np.arange(40), 25)
    values = rng.normal(size=40)[prompts] + 0.1 * rng.normal(size=1000)
    lo, hi = cluster_bootstrap(values, list(prompts))
    # The mean of 40 prompts of deviation 1: +- 1.96 / sqrt(40) = 0.31; of 1,000 independent pictures 0.06.
    assert 0.22 < (hi - lo) / 2 < 0.40
    assert cluster_bootstrap(values, list(prompts)) == (lo, hi)
    assert cluster_bootstrap(values, list(prompts), seed=1) != (lo, hi)


def test_the_bootstrap_covers_as_often_as_it_says():
    rng, covered = np.random.default_rng(1), 0
    prompts = np.repeat(np.arange(30), 4)
    for _ in range(60):
        lo, hi = cluster_bootstrap(rng.normal(size=30)[prompts] + rng.normal(size=120), list(prompts))
        covered += lo < 0 < hi
    assert covered >= 51  # 95 % of 60 is 57; fewer than 51 has a probability below 1 in 1,000


def test_a_share_of_single_pictures_is_wilsons():
    figure = share([1, 0, 0, 1], ["a", "b", "c", "d"])
    assert figure == Figure(0.5, *wilson(2, 4), 4, 4, "Wilson")
    assert share([0.0] * 300, ["a photo of a body"] * 300).hi == wilson(0, 300)[1]


def test_a_share_of_zero_over_many_prompts_is_not_certain():
    figure = share([0] * 300, [i % 30 for i in range(300)])
    assert (figure.value, figure.lo, figure.prompts, figure.seed) == (0, 0, 30, 0)
    assert figure.hi == wilson(0, 300)[1] > 0.01


def test_a_share_of_like_pictures_is_wider_than_wilsons():
    hits = [float(i % 10 < 5) for i in range(200)]  # all or nothing, by prompt
    figure = share(hits, [i % 10 for i in range(200)])
    lo, hi = wilson(100, 200)
    assert figure.lo is not None
    assert figure.lo < lo - 0.1
    assert figure.hi is not None
    assert figure.hi > hi + 0.1


def test_failed_pictures_are_counted_and_left_out():
    assert share([1, None, 0, None], list("abcd")) == Figure(0.5, *wilson(1, 2), 2, 2, "Wilson", failed=2)
    assert mean([None, None], ["a", "b"]) == Figure(None, None, None, 0, 0, "nothing measured", failed=2)
    assert mean([0.25], ["a"]) == Figure(0.25, None, None, 1, 1, "one picture allows no interval")


def test_a_mean_over_one_prompt_draws_pictures():
    figure = mean([0.1, 0.2, 0.3, 0.4], ["a"] * 4)
    assert figure.how == "bootstrap over pictures"
    assert figure.lo is not None
    assert figure.hi is not None
    assert 0.1 <= figure.lo < 0.25 < figure.hi <= 0.4


def test_a_paired_difference_forgets_what_both_sides_share():
    rng = np.random.default_rng(2)
    scene = rng.normal(size=200)  # how easy each caption is: large, and the same on both sides
    base = list(scene + 0.01 * rng.normal(size=200))
    guarded = list(scene - 0.05 + 0.01 * rng.normal(size=200))
    change = difference(guarded, base, range(200))
    assert change.lo is not None
    assert change.hi is not None
    assert change.value == pytest.approx(-0.05, abs=0.003)
    assert -0.06 < change.lo < change.hi < -0.04
    assert difference([1, None], [None, 1], ["a", "b"]).failed == 2


def test_mcnemar_is_the_exact_binomial_of_the_discordant_pairs():
    # 2 up, 10 down, 5 equal: 2 * P(X <= 2), X ~ B(12, 1/2) = 2 * 79 / 4096
    base = [0] * 2 + [1] * 10 + [1] * 5
    now = [1] * 2 + [0] * 10 + [1] * 5
    assert mcnemar(now, base) == pytest.approx(2 * 79 / 4096)
    assert mcnemar(base, now) == mcnemar(now, base)
    assert mcnemar([0, 1], [0, 1]) == 1
    assert mcnemar([0] * 5000, [1] * 5000) == 0.0  # no overflow


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mean([float("nan")], ["a"]), "NaN or infinite"),
        (lambda: share([0.5], ["a"]), "zeros and ones"),
        (lambda: mean([1.0], ["a", "b"]), "1 values and 2 prompts"),
        (lambda: difference([1.0], [], ["a"]), "equally many"),
        (lambda: mcnemar([1.0], []), "pairs"),
        (lambda: mcnemar([float("nan")], [1.0]), "zeros and ones"),
        (lambda: mcnemar([1.0], [0.5]), "zeros and ones"),
    ],
)
def test_bad_input_is_named(call, words: str):
    with pytest.raises(BadInput, match=words):
        call()


def test_the_bootstrap_of_few_prompts_is_that_of_all_their_draws():
    values, prompts = np.array([0.0, 1.0, 0.5, 3.0, 2.0, 4.0, 1.0]), list("aabbccd")
    members = [[i for i, p in enumerate(prompts) if p == one] for one in "abcd"]
    every = []
    for drawn in product(members, repeat=4):
        chosen = [i for cluster in drawn for i in cluster]
        every.append(values[chosen].mean())  # the mean of pictures: a prompt with one of them weighs less
    found = resample(np.stack([values, np.ones(7)], 1), prompts, lambda t: t[:, 0] / t[:, 1])
    grid = np.linspace(0, 4, 9) + 0.01
    share_below = [(found <= edge).mean() for edge in grid]
    assert share_below == pytest.approx([(np.array(every) <= edge).mean() for edge in grid], abs=0.02)
    assert set(np.round(found, 9)) <= set(np.round(every, 9))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), max_size=9))
def test_mcnemar_is_the_share_of_sign_patterns_as_uneven(pairs: list[tuple[int, int]]):
    now, base = [a for a, _ in pairs], [b for _, b in pairs]
    discordant = [a - b for a, b in pairs if a != b]
    patterns = list(product((-1, 1), repeat=len(discordant)))
    extreme = sum(abs(sum(signs)) >= abs(sum(discordant)) for signs in patterns)
    assert mcnemar(now, base) == pytest.approx(extreme / len(patterns))


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_shares_that_the_score_test_keeps(case: tuple[int, int]):
    hits, n = case
    lo, hi = wilson(hits, n)
    assert 0 <= lo <= hits / n <= hi <= 1
    for bound in (lo, hi):  # |p - share| = z sqrt(share (1 - share) / n), or the end of the scale
        if 0 < bound < 1:
            assert abs(hits / n - bound) == pytest.approx(
                1.959964 * np.sqrt(bound * (1 - bound) / n), rel=1e-5
            )


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from("abcde")), min_size=2, max_size=30))
@settings(max_examples=15, deadline=None)
def test_a_difference_is_the_bootstrap_of_pairs_and_turns_its_sign(rows: list[tuple[int, str]]):
    now, prompts = [float(v) for v, _ in rows], [p for _, p in rows]
    base = [1 - v for v in now[1:]] + [0.0]
    there, back = difference(now, base, prompts), difference(base, now, prompts)
    assert there.value == pytest.approx(np.mean(now) - np.mean(base))
    assert (there.lo, there.hi) == pytest.approx((-(back.hi or 0), -(back.lo or 0)))
