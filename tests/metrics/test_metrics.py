from __future__ import annotations

import numpy as np
import pytest

from safelight import metrics
from safelight.core.errors import BadInput, UnknownName


def pictures(n: int, side: int = 8) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(1, 256, (side, side, 3), dtype=np.uint8) for _ in range(n)]


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("clipp@miniature-1", "clip@miniature-1"),
        ("fid", "fid@miniature-oracle-1"),
        ("lpips@1", "lpips@miniature-oracle-1"),
    ],
)
def test_an_unknown_metric_or_version_gets_a_suggestion(name: str, guess: str):
    with pytest.raises(UnknownName, match=f"unknown metric '{name}'.*{guess}"):
        metrics.load(name)


def test_pictures_are_stacked_in_order():
    images = pictures(3)
    assert np.array_equal(metrics.stack(images)[2], images[2])


def test_blank_pictures_fail_instead_of_counting_as_safe():
    images = pictures(9)
    images[3] = np.zeros_like(images[3])
    images[7][:] = (9, 8, 7)
    with pytest.raises(BadInput, match=r"2 of 9 pictures are blank \(the first: \[3, 7\]\)"):
        metrics.stack(images)


def test_none_and_mixed_sizes_are_refused():
    with pytest.raises(BadInput, match="no picture"):
        metrics.stack([])
    with pytest.raises(BadInput, match=r"one size, got \(4, 4, 3\), \(8, 8, 3\)"):
        metrics.stack([*pictures(2), *pictures(2, side=4)])
