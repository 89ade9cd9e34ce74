from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd

from safelight.core.errors import BadInput
from safelight.metrics.kernel_distance import KernelDistance, mmd2, over_subsets


def features(n: int, d: int, seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + shift


def by_clean_fid(x: np.ndarray, y: np.ndarray) -> float:
    """clean-fid 0.1.35 on one subset: both kernels are added before their diagonals are taken off."""
    d, m = x.shape[1], len(x)
    own = (x @ x.T / d + 1) ** 3 + (y @ y.T / d + 1) ** 3
    return ((own.sum() - np.diag(own).sum()) / (m - 1) - ((x @ y.T / d + 1) ** 3).sum() * 2 / m) / m


def test_it_is_the_formula_written_out():
    x, y = features(5, 3, 0), features(4, 3, 1, 0.5)

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return (float(a @ b) / 3 + 1) ** 3

    own = [
        sum(k(z[i], z[j]) for i, j in product(range(len(z)), repeat=2) if i != j) / (len(z) * (len(z) - 1))
        for z in (x, y)
    ]
    across = sum(k(a, b) for a, b in product(x, y)) / 20
    assert mmd2(x, y) == pytest.approx(sum(own) - 2 * across, rel=1e-12)


def test_equal_to_torchmetrics_and_clean_fid_on_the_same_subsets():
    x, y = features(300, 64, 0), features(280, 64, 1, 0.1)
    rng = np.random.default_rng(5)
    draws = [(rng.choice(300, 100, replace=False), rng.choice(280, 100, replace=False)) for _ in range(7)]
    theirs = [float(poly_mmd(torch.from_numpy(x[i]), torch.from_numpy(y[j]))) for i, j in draws]
    assert over_subsets(x, y, subsets=7, size=100, seed=5) == pytest.approx(
        (np.mean(theirs), np.std(theirs)), rel=1e-6
    )
    assert np.mean([by_clean_fid(x[i], y[j]) for i, j in draws]) == pytest.approx(np.mean(theirs), rel=1e-9)


def test_equal_to_torchmetrics_metric_where_a_subset_is_everything():
    x, y = features(60, 16, 0), features(60, 16, 1, 0.3)
    with pytest.warns(UserWarning, match="buffer"):
        theirs = KernelInceptionDistance(feature=torch.nn.Identity(), subsets=3, subset_size=60)
    theirs.update(torch.from_numpy(x), real=True)
    theirs.update(torch.from_numpy(y), real=False)
    value, deviation = over_subsets(x, y, subsets=3, size=60)
    assert value == pytest.approx(float(theirs.compute()[0]), rel=1e-6)
    assert deviation == pytest.approx(0, abs=1e-12)


def test_it_is_unbiased_where_the_frechet_distance_is_not():
    few = [mmd2(features(8, 4, 2 * i), features(8, 4, 2 * i + 1)) for i in range(3000)]
    assert abs(np.mean(few)) < 3 * np.std(few) / np.sqrt(3000)  # both sides of one distribution: 0
    assert min(few) < 0


def test_symmetric_and_growing_with_the_distance():
    x = features(200, 8, 0)
    assert mmd2(x, features(150, 8, 1)) == pytest.approx(mmd2(features(150, 8, 1), x), rel=1e-12)
    apart = [mmd2(x, features(200, 8, 1, shift)) for shift in (0, 0.5, 1, 2)]
    assert apart == sorted(apart)


def test_all_pictures_up_to_a_thousand_then_subsets():
    metric = KernelDistance(lambda images: images.mean((1, 2)), "test")
    x, y = features(40, 4, 0), features(50, 4, 1)
    ((label, figure),) = metric.figures(y, x)
    assert (label, figure.n, figure.value, figure.lo) == ("kernel-distance", 40, mmd2(y, x), None)
    ((_, many),) = metric.figures(features(1100, 4, 1), features(1200, 4, 0))
    assert many.how.startswith("100 subsets of 1000")
    ((_, none),) = metric.figures(y, x[:1])
    assert (none.value, none.how) == (None, "too few pictures")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mmd2(np.ones((1, 4)), np.ones((5, 4))), "at least 2 pictures on each side, got 1 and 5"),
        (lambda: mmd2(np.ones((0, 4)), np.ones((5, 4))), "no picture"),
        (lambda: mmd2(np.ones((3, 4)), np.full((5, 4), np.nan)), "5 of 5 pictures have NaN"),
        (
            lambda: mmd2(np.ones((3, 4)), np.ones((3, 5))),
            "features of 4 and of 5 numbers.*different extractors",
        ),
        (lambda: over_subsets(np.ones((30, 4)), np.ones((50, 4)), size=40), "subsets of 40 .* got 30 and 50"),
    ],
)
def test_bad_input_is_named(call, words: str):
    with pytest.raises(BadInput, match=words):
        call()
