"""The average is its closed form, in float32, and refuses a decay at which it would stand still."""

from __future__ import annotations

import pytest
import torch

from safelight.core.errors import BadInput
from safelight.training.ema import EMA


def test_average_is_its_closed_form():
    now = {"w": torch.zeros(2, dtype=torch.float64)}
    values = [
        torch.randn(2, dtype=torch.float64, generator=torch.Generator().manual_seed(k)) for k in range(20)
    ]
    now["w"].copy_(values[0])
    mean = EMA(now, 0.9)
    for value in values[1:]:
        now["w"].copy_(value)
        mean.update()
    # m^19 w_0 + sum over k of (1 - m) m^(19 - k) w_k
    expected = 0.9**19 * values[0] + sum(0.1 * 0.9 ** (19 - k) * values[k] for k in range(1, 20))
    torch.testing.assert_close(mean.mean["w"], expected, rtol=1e-13, atol=1e-13)


def test_average_of_equal_values_does_not_drift():
    now = {"w": torch.randn(1000)}
    mean = EMA(now, 0.999)
    for _ in range(100):
        mean.update()
    assert torch.equal(mean.mean["w"], now["w"])


def test_average_of_bfloat16_moves():
    now = {"w": torch.ones(1, dtype=torch.bfloat16)}
    mean = EMA(now, 0.999)
    now["w"].add_(1)
    mean.update()
    assert mean.mean["w"].dtype == torch.float32
    assert float(mean.mean["w"]) == pytest.approx(1.001, abs=1e-6)


@pytest.mark.parametrize("decay", [1.0, 1.5, -0.1, float("nan"), 1 - 1e-9, True, "0.9"])
def test_bad_decay_is_refused(decay):
    with pytest.raises(BadInput, match=r"ema must be in \[0, 1\)"):
        EMA({}, decay)
