from __future__ import annotations

import numpy as np
import pytest
import torch

from safelight.core.errors import BadInput
from safelight.metrics import Pictures
from safelight.metrics.lpips import Lpips, distance


def layers(seed: int, n: int = 5) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(n, c, side, side, generator=rng) for c, side in ((4, 8), (8, 4), (16, 2))]


def test_it_is_the_formula_written_out():
    x, y = layers(0, n=2), layers(1, n=2)
    for picture, value in enumerate(distance(x, y).tolist()):
        total = 0.0
        for a, b in zip(x, y, strict=True):
            f, g = a[picture].double().numpy(), b[picture].double().numpy()
            cells = [
                np.sum(
                    (f[:, i, j] / np.linalg.norm(f[:, i, j]) - g[:, i, j] / np.linalg.norm(g[:, i, j])) ** 2
                )
                for i in range(f.shape[1])
                for j in range(f.shape[2])
            ]
            total += np.mean(cells) / len(x)
        assert value == pytest.approx(total, rel=1e-9)


def test_zero_for_equal_pictures_symmetric_and_blind_to_the_scale_of_features():
    x, y = layers(0), layers(1)
    assert distance(x, x).abs().max() == 0
    assert torch.equal(distance(x, y), distance(y, x))
    torch.testing.assert_close(distance(x, [3 * f for f in y]), distance(x, y))
    assert distance(x, [-f for f in x]).tolist() == pytest.approx([4.0] * 5)  # the largest there is


def test_features_of_zero_stay_finite():
    x = [torch.zeros_like(f) for f in layers(0)]
    assert distance(x, x).abs().max() == 0


def test_it_compares_with_the_unguarded_pictures():
    def seen(images: np.ndarray) -> list[torch.Tensor]:
        return [torch.from_numpy(images).permute(0, 3, 1, 2).double() + 1]

    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8) for _ in range(2))
    b[1] = a[1]
    values = [s.values["lpips"] for s in Lpips(seen, "test")(Pictures(a, unguarded=b)) if s.values]
    assert values[1] == 0
    assert min(values[0], values[2]) > 0.01
    with pytest.raises(BadInput, match="unguarded"):
        Lpips(seen, "test")(Pictures(a))
    with pytest.raises(BadInput, match="one size"):
        Lpips(seen, "test")(Pictures(a, unguarded=b[:, :4]))
