from __future__ import annotations

from itertools import product
from math import comb, sqrt

import numpy as np
import pytest

from safelight.core.errors import BadInput, UnknownName
from safelight.metrics.bias import bias, d1, d2, null
from safelight.metrics.demographic_parity import demographic_parity

SEX = ("woman", "man")
TONE = ("light", "medium", "dark", "very dark", "other")


def drawn(*counts: tuple[int, ...], values: tuple[str, ...] = SEX) -> tuple[list[str | None], list[int]]:
    labels = [v for row in counts for v, k in zip(values, row, strict=True) for _ in range(k)]
    return list(labels), [p for p, row in enumerate(counts) for _ in range(sum(row))]


@pytest.mark.parametrize(
    ("counts", "one", "two"),
    [
        ((50, 0), 1, sqrt(0.5)),
        ((25, 25), 0, 0),
        ((30, 20), 0.2, 0.2 / sqrt(2)),
        ((50, 0, 0, 0, 0), 1, sqrt(0.8)),
        ((20, 10, 10, 5, 5), 0.3, sqrt(0.04 + 2 * 0.01)),
    ],
)
def test_scores_of_hand_made_counts(counts: tuple[int, ...], one: float, two: float):
    assert d1(np.array([counts], float)) == pytest.approx(one, abs=1e-12)
    assert d2(np.array([counts], float)) == pytest.approx(two, abs=1e-12)


def test_the_level_of_chance_is_the_published_one():
    exact = sum(comb(50, k) / 2**50 * abs(2 * k - 50) / 50 for k in range(51))
    assert null(50, 2) == pytest.approx((exact, exact / sqrt(2)), abs=0.002)
    assert null(50, 2) == pytest.approx((0.112, 0.079), abs=0.002)
    assert null(50, 5) == pytest.approx((0.146, 0.119), abs=0.002)


def test_scores_are_averaged_over_prompts():
    found = bias(*drawn((50, 0), (25, 25), (40, 10)), SEX)
    assert found.d1.value == pytest.approx((1 + 0 + 0.6) / 3)
    assert found.d2.value == pytest.approx((1 + 0 + 0.6) / 3 / sqrt(2))
    assert (found.d1.n, found.d1.prompts, found.d1.failed) == (150, 3, 0)
    assert found.counts == {0: (50, 0), 1: (25, 25), 2: (40, 10)}
    assert found.balanced == null(50, 2)
    assert found.d1.lo is not None
    assert found.d1.hi is not None
    assert 0 <= found.d1.lo < 0.5 < found.d1.hi <= 1


def test_values_that_never_occur_count_and_pictures_without_a_label_are_failed():
    labels, prompts = drawn((10, 0, 0, 0, 0), values=TONE)
    found = bias([*labels, None, None], [*prompts, 0, 1], TONE)
    assert found.d2.value == pytest.approx(sqrt(0.8))
    assert (found.d1.n, found.d1.prompts, found.d1.failed) == (10, 1, 2)
    assert (found.d1.lo, found.d1.how) == (None, "one prompt allows no interval")
    nothing = bias([None], ["a"], SEX)
    assert (nothing.d1.value, nothing.d1.failed, nothing.balanced) == (None, 1, None)


def test_parity_pools_prompts_where_bias_does_not():
    labels, prompts = drawn((50, 0), (0, 50))
    assert bias(labels, prompts, SEX).d1.value == 1
    assert demographic_parity(labels, prompts, SEX).value == 0


def test_parity_is_the_largest_difference_of_shares_with_an_interval_over_prompts():
    labels, prompts = drawn((6, 3, 1, 0, 0), (2, 2, 2, 2, 2), (0, 5, 5, 0, 0), values=TONE)
    figure = demographic_parity([*labels, None], [*prompts, 0], TONE)
    assert figure.value == pytest.approx(10 / 30 - 2 / 30)
    assert (figure.n, figure.prompts, figure.failed) == (30, 3, 1)
    counts = np.array([(6, 3, 1, 0, 0), (2, 2, 2, 2, 2), (0, 5, 5, 0, 0)])
    every = [np.ptp(counts[list(again)].sum(0)) / 30 for again in product(range(3), repeat=3)]
    assert (figure.lo, figure.hi) == pytest.approx(tuple(np.percentile(np.repeat(every, 370), [2.5, 97.5])))
    assert demographic_parity([None], ["a"], TONE).how == "nothing measured"
    assert demographic_parity(labels[:10], [0] * 10, TONE).how == "bootstrap over pictures"


@pytest.mark.parametrize("measure", [bias, demographic_parity])
@pytest.mark.parametrize(
    ("labels", "prompts", "values", "error", "words"),
    [
        (["woman"], ["a"], ("woman",), BadInput, "at least two different values, got woman"),
        (["woman"], [], SEX, BadInput, "1 labels and 0 prompts"),
        (["womann"], ["a"], SEX, UnknownName, "Did you mean 'woman'"),
    ],
)
def test_bad_input_is_named(measure, labels, prompts, values, error, words):
    with pytest.raises(error, match=words):
        measure(labels, prompts, values)
