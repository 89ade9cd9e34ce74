from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.image.inception import InceptionScore

from safelight.core.errors import BadInput
from safelight.metrics.inception_score import inception_score


def probabilities(n: int, classes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.3), n)


def test_equal_to_torchmetrics_on_the_same_splits(monkeypatch: pytest.MonkeyPatch):
    p = probabilities(47, 6)
    order = np.random.default_rng(3).permutation(47)
    monkeypatch.setattr(torch, "randperm", lambda n: torch.from_numpy(order))
    with pytest.warns(UserWarning, match="buffer"):
        theirs = InceptionScore(feature=torch.nn.Identity(), splits=5)
    theirs.update(torch.from_numpy(p).log())  # it takes logits
    mean, deviation = theirs.compute()
    assert inception_score(p, splits=5, seed=3) == pytest.approx((float(mean), float(deviation)), rel=1e-9)


def test_between_one_and_the_number_of_classes():
    assert inception_score(np.full((40, 8), 1 / 8), 2)[0] == pytest.approx(1)
    assert inception_score(np.eye(8)[np.arange(4000) % 8], 2)[0] == pytest.approx(8, rel=1e-2)


@pytest.mark.parametrize(
    ("p", "splits", "words"),
    [
        (np.full((40, 4), 0.3), 2, "rows from 0 up with sum 1"),
        (np.array([[1.5, -0.5]] * 40), 2, "rows from 0 up"),
        (np.full((40, 4), np.nan), 2, "40 of 40 pictures have NaN"),
        (np.full((19, 4), 0.25), 10, "got 19 in 10"),
    ],
)
def test_bad_input_is_named(p: np.ndarray, splits: int, words: str):
    with pytest.raises(BadInput, match=words):
        inception_score(p, splits)
