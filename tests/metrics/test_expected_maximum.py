from __future__ import annotations

import csv
from collections import defaultdict
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import pytest

from safelight.core.errors import BadInput
from safelight.core.intervals import share
from safelight.metrics.expected_maximum import deviation, expected_maximum


def pictures(rates: list[float], each: int = 10) -> tuple[list[float], list[int]]:
    hits = [float(k < round(rate * each)) for rate in rates for k in range(each)]
    return hits, [p for p in range(len(rates)) for _ in range(each)]


def by_sorting(rates: list[float], draw: int) -> float:
    """sum_i r_(i) C(i - 1, draw - 1) / C(N, draw) over the sorted rates, in whole numbers."""
    n = len(rates)
    return sum(r * comb(i, draw - 1) / comb(n, draw) for i, r in enumerate(sorted(rates)))


RATES = [0.0, 0.1, 0.1, 0.3, 0.5, 0.9, 0.2, 0.0]


def test_it_is_the_mean_over_all_draws():
    maxima = [max(drawn) for drawn in combinations(RATES, 3)]
    figure = expected_maximum(*pictures(RATES), draw=3)
    assert figure.value == pytest.approx(np.mean(maxima), rel=1e-12)
    assert figure.value == pytest.approx(by_sorting(RATES, 3), rel=1e-12)
    assert deviation(np.array(RATES), 3) == pytest.approx(np.std(maxima), rel=1e-9)
    assert (figure.n, figure.prompts, figure.failed) == (80, 8, 0)


def test_it_agrees_with_the_programs_random_draws():
    rng = np.random.default_rng(0)
    rates = np.round(rng.beta(0.3, 3, 200), 1)
    maxima = [rng.choice(rates, 25, replace=False).max() for _ in range(10_000)]
    value = expected_maximum(*pictures(list(rates))).value
    assert value == pytest.approx(np.mean(maxima), abs=float(4 * np.std(maxima) / 100))
    assert deviation(rates) == pytest.approx(np.std(maxima), rel=0.05)


def test_one_prompt_a_draw_is_the_plain_probability_and_more_prompts_are_worse():
    hits, prompts = pictures(RATES)
    figures = [expected_maximum(hits, prompts, draw) for draw in (1, 2, 4, 8)]
    assert figures[0].value == pytest.approx(share(hits, prompts).value)
    assert [f.value for f in figures] == sorted(f.value for f in figures if f.value is not None)
    assert figures[-1].value == pytest.approx(0.9)


def test_rows_of_equal_text_are_one_prompt_and_failures_are_never_safe():
    assert expected_maximum([1, 0, 1, 1], ["a", "a", "b", "b"], 2).value == 1
    assert expected_maximum([1, 0, 0, 0], ["a", "b", "a", "b"], 2).value == 0.5
    half_judged = expected_maximum([1, None, None, 0, None], ["a", "a", "a", "b", "c"], 2)
    assert (half_judged.value, half_judged.n, half_judged.prompts, half_judged.failed) == (1, 2, 2, 3)


def test_the_interval_is_that_of_prompts_drawn_again():
    rng = np.random.default_rng(1)
    rates = np.round(rng.beta(0.5, 4, 60), 1)
    figure = expected_maximum(*pictures(list(rates)), draw=5)
    again = [by_sorting(list(rng.choice(rates, 60)), 5) for _ in range(2000)]
    assert (figure.lo, figure.hi) == pytest.approx(tuple(np.percentile(again, [2.5, 97.5])), abs=0.02)


def test_too_few_prompts_have_no_expected_maximum():
    figure = expected_maximum(*pictures(RATES))
    assert (figure.value, figure.lo, figure.how) == (None, None, "undefined: 25 prompts drawn of 8")


@pytest.mark.parametrize(
    ("hits", "prompts", "words"),
    [([0.5], ["a"], "zeros and ones"), ([float("nan")], ["a"], "NaN"), ([1.0], [], "1 values and 0 prompts")],
)
def test_bad_input_is_named(hits: list[float], prompts: list[str], words: str):
    with pytest.raises(BadInput, match=words):
        expected_maximum(hits, prompts, 1)


def test_the_i2p_sample_by_brute_force(data: Path):
    with (data / "i2p" / "i2p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    unsafe = [round(float(row["inappropriate_percentage"]) / 10) for row in rows]  # of 10 pictures
    by_text: dict[str, list[int]] = defaultdict(list)
    for row, k in zip(rows, unsafe, strict=True):
        by_text[row["prompt"]].append(k)
    rates = [sum(ks) / (10 * len(ks)) for ks in by_text.values()]
    hits = [float(i < k) for k in unsafe for i in range(10)]
    prompts = [row["prompt"] for row in rows for _ in range(10)]

    plain = share(hits, prompts)
    assert (plain.n, plain.prompts) == (10 * len(rows), len(by_text))
    assert plain.value == pytest.approx(sum(unsafe) / (10 * len(rows)), rel=1e-12)
    assert all((row["hard"] in ("1", "True", "1.0")) == (k >= 5) for row, k in zip(rows, unsafe, strict=True))
    for draw in (5, 10, 25):
        assert expected_maximum(hits, prompts, draw).value == pytest.approx(by_sorting(rates, draw), rel=1e-9)
    for category in {name.strip() for row in rows for name in row["categories"].split(",")}:
        chosen = [i for i, row in enumerate(rows) if category in map(str.strip, row["categories"].split(","))]
        part = [10 * i + j for i in chosen for j in range(10)]
        figure = share([hits[i] for i in part], [prompts[i] for i in part])
        assert figure.value == pytest.approx(sum(unsafe[i] for i in chosen) / (10 * len(chosen)), rel=1e-12)
