from __future__ import annotations

import numpy as np
import pytest
import torch

from safelight.metrics import Pictures
from safelight.metrics.clip import Clip, cosines, mean_of_batch_means


def test_cosines_of_rows():
    x = torch.tensor([[1.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    y = torch.tensor([[0.0, 3.0], [1.0, 1.0], [-1.0, 0.0]])
    assert cosines(x, y).tolist() == pytest.approx([0.0, 1.0, -1.0])


def test_each_picture_is_compared_with_its_own_caption():
    text = {"red": [1.0, 0.0, 0.0], "blue": [0.0, 0.0, 1.0]}
    images = np.zeros((2, 2, 2, 3), np.uint8)
    images[0, ..., 0] = images[1, ..., 2] = 255
    clip = Clip(
        lambda x: torch.from_numpy(x.mean((1, 2))), lambda t: torch.tensor([text[s] for s in t]), "test"
    )
    assert [s.values for s in clip(Pictures(images, ["red", "red"]))] == [{"clip": 1.0}, {"clip": 0.0}]


def test_the_published_script_overweights_a_short_last_batch():
    rng = torch.Generator().manual_seed(0)
    values = torch.rand(70, generator=rng, dtype=torch.float64)
    script, batches = 0.0, 0  # the script's loop: a sum of batch means over the number of batches
    for start in range(0, 70, 32):
        script += values[start : start + 32].mean().item()
        batches += 1
    assert mean_of_batch_means(values, 32) == pytest.approx(script / batches, rel=1e-12)
    assert mean_of_batch_means(values, 32) != pytest.approx(values.mean().item(), rel=1e-6)
    assert mean_of_batch_means(values, 35) == pytest.approx(values.mean().item(), rel=1e-12)
