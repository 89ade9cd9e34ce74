"""The oracles' loss and accuracy count only what can be read in a picture."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch

from safelight.miniature.build import degrade, oracles
from safelight.miniature.oracle import Oracle
from safelight.miniature.truth import HEADS


def test_loss_ignores_what_a_picture_does_not_show():
    logits = {head: torch.zeros(2, len(names)) for head, names in HEADS.items()}
    labels = torch.full((2, len(HEADS)), -1)
    assert oracles.sum_of_heads(logits, labels).item() == 0
    labels[0, 0] = 1
    expected = torch.log(torch.tensor(float(len(next(iter(HEADS.values())))))) / 2
    assert oracles.sum_of_heads(logits, labels).item() == pytest.approx(expected.item())


def test_accuracy_is_over_the_pictures_that_show_it():
    class Always:  # reads class 0 everywhere
        def read(self, images):
            return {head: torch.eye(len(names))[:1].repeat(len(images), 1) for head, names in HEADS.items()}

    labels = np.zeros((4, len(HEADS)), np.int8)
    labels[:, 0] = [0, 1, -1, 0]
    found = oracles.accuracies(cast(Oracle, Always()), np.zeros((4, 64, 64, 3), np.uint8), labels)
    assert found[next(iter(HEADS))] == pytest.approx(2 / 3)
    assert list(found.values())[1:] == [1.0] * (len(HEADS) - 1)


def test_degraded_pictures_stay_near_the_originals():
    rng, x = torch.Generator().manual_seed(0), torch.zeros(64, 3, 64, 64)
    x[:, :, 30:34, 30:34] = 1
    soft = degrade.blurred(x, rng)
    changed = (soft != x).flatten(1).any(1).float().mean()
    assert 0.3 < changed < 0.7
    assert degrade.noisy(torch.zeros_like(x), rng).flatten(1).std(1).max() <= degrade.NOISE * 1.02
    moved = degrade.shifted(x, rng)
    assert moved.shape == x.shape
    assert moved.sum() == x.sum()
