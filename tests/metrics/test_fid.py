from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import _compute_fid

from safelight.core.errors import BadInput
from safelight.metrics.fid import Fid, Moments, extrapolate, frechet


def features(n: int, d: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) / np.sqrt(d) + rng.normal(size=d)


def by_torchmetrics(a: np.ndarray, b: np.ndarray) -> float:
    m1, m2 = (torch.from_numpy(x.mean(0)) for x in (a, b))
    s1, s2 = (torch.from_numpy(np.cov(x.T)) for x in (a, b))
    return float(_compute_fid(m1, s1, m2, s2))


def test_equal_to_torchmetrics():
    a, b = features(5000, 64, 0), features(5000, 64, 1)
    assert frechet(Moments.of(a), Moments.of(b)) == pytest.approx(by_torchmetrics(a, b), rel=1e-6)


def test_equal_to_torchmetrics_where_pictures_are_fewer_than_dimensions():
    a, b = features(40, 64, 0), features(50, 64, 1)
    assert frechet(Moments.of(a), Moments.of(b)) == pytest.approx(by_torchmetrics(a, b), rel=1e-6)


def test_the_same_set_has_distance_zero_and_both_directions_agree():
    a, b = Moments.of(features(500, 32, 0)), Moments.of(features(400, 32, 1))
    assert abs(frechet(a, a)) < 1e-6
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-9)


def test_a_shift_of_the_mean_by_d_gives_d_squared():
    x = features(500, 32, 0)
    shift = np.zeros(32)
    shift[3] = 2.5
    assert frechet(Moments.of(x), Moments.of(x + shift)) == pytest.approx(2.5**2, rel=1e-9)


def test_blocks_join_to_the_moments_of_the_whole():
    x = features(1000, 16, 0) + 1e4  # far from 0: sums of squares would lose eight digits
    joined = Moments.of(x[:1]) + Moments.of(x[1:300]) + Moments.of(x[300:])
    assert joined.n == 1000
    np.testing.assert_allclose(joined.mean, x.mean(0), rtol=1e-14)
    np.testing.assert_allclose(joined.covariance, np.cov(x.T), rtol=1e-9, atol=1e-9)


def test_many_features_are_joined_in_parts_to_the_same_moments(monkeypatch: pytest.MonkeyPatch):
    x = features(1000, 16, 0)
    whole = Moments.of(x)
    monkeypatch.setattr("safelight.metrics.fid.ROWS", 300)
    parts = Moments.of(x.astype(np.float64))
    assert parts.n == whole.n
    np.testing.assert_allclose(parts.scatter, whole.scatter, rtol=1e-12, atol=1e-9)


def test_the_extractor_is_injected_and_blocks_stream():
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    other = np.random.default_rng(1).integers(0, 200, (60, 8, 8, 3), dtype=np.uint8)
    fid = Fid(lambda batch: batch.mean((1, 2)), "test")
    whole = frechet(Moments.of(images.mean((1, 2))), Moments.of(other.mean((1, 2))))
    assert fid((images[:7], images[7:]), iter([other])) == pytest.approx(whole, rel=1e-9)


def test_the_line_through_subsets_removes_the_bias_of_few_pictures():
    x, reference = features(600, 32, 0), Moments.of(features(60_000, 32, 0))
    rng = np.random.default_rng(7)
    basis, offset = np.random.default_rng(0), None
    basis.normal(size=(600, 32))
    mix, offset = basis.normal(size=(32, 32)) / np.sqrt(32), basis.normal(size=32)
    reference = Moments.of(
        rng.normal(size=(60_000, 32)) @ mix + offset
    )  # the distribution that x was drawn from
    at_n = frechet(reference, Moments.of(x))
    a, lo, hi = extrapolate(x, reference)
    assert lo < a < hi
    assert abs(a) < 0.5 * at_n
    assert extrapolate(x, reference) == (a, lo, hi)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: frechet(Moments.of(np.ones((1, 4))), Moments.of(features(9, 4, 0))), "at least 2 pictures"),
        (lambda: Moments.of(np.array([[1.0, np.nan], [0.0, 0.0]])), "1 of 2 pictures have NaN"),
        (lambda: Moments.of(np.ones((0, 4))), "no picture"),
        (
            lambda: frechet(Moments.of(features(9, 4, 0)), Moments.of(features(9, 5, 0))),
            r"\(4 numbers\) and .* \(5 numbers\) do not compare",
        ),
        (
            lambda: frechet(
                Moments.of(features(9, 4, 0), "clip"), Moments.of(features(9, 4, 1), "inception")
            ),
            "features of clip .* and inception .* do not compare",
        ),
        (lambda: Fid(lambda x: x, "test").moments([]), "no picture"),
        (
            lambda: extrapolate(features(9, 4, 0), Moments.of(features(9, 4, 0))),
            "at least 10 pictures, got 9",
        ),
    ],
)
def test_bad_input_is_named(call, words: str):
    with pytest.raises(BadInput, match=words):
        call()


def test_constant_features_give_a_finite_answer_with_a_warning():
    with pytest.warns(UserWarning, match="all features of one side are equal"):
        distance = frechet(Moments.of(np.ones((9, 4))), Moments.of(features(9, 4, 0)))
    assert np.isfinite(distance)
