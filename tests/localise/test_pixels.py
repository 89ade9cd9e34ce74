"""The map of a known value is known, and centring is what makes few masks enough."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from safelight.core.nouns import Score
from safelight.localise import Unjudged, value_of
from safelight.localise.pixels import KEEP, hidden, masks, overlap, rise, saliency, slope

SQUARE = np.s_[14:26, 8:20]  # the toy: f is the mean of a 12 x 12 square


@pytest.fixture(scope="module")
def toy():
    truth = torch.zeros(32, 32)
    truth[SQUARE] = 1
    return truth


def iou(map, truth):
    top = map >= map.flatten().topk(int(truth.sum())).values[-1]
    return float((top & truth.bool()).sum() / (top | truth.bool()).sum())


@pytest.mark.parametrize("seed", range(3))
def test_the_slope_finds_the_square_with_500_masks(toy, seed):
    M = masks(500, 32, 32, torch.Generator().manual_seed(seed))
    f = M[:, SQUARE[0], SQUARE[1]].mean((1, 2))
    assert iou(slope(f, M), toy) >= 0.6
    assert iou(slope(f, M), toy) >= iou(rise(f, M), toy)


def test_slope_and_rise_are_what_a_loop_gives():
    rng = np.random.default_rng(0)
    M, f = rng.random((20, 4, 5)), rng.random(20)
    plain, fitted = np.zeros((4, 5)), np.zeros((4, 5))
    for y in range(4):
        for x in range(5):
            plain[y, x] = sum(f[i] * M[i, y, x] for i in range(20)) / (20 * KEEP)
            fitted[y, x] = np.polyfit(M[:, y, x], f, 1)[0]
    F, T = torch.from_numpy(f), torch.from_numpy(M)
    np.testing.assert_allclose(rise(F, T).numpy(), plain, rtol=1e-9)
    np.testing.assert_allclose(slope(F, T).numpy(), fitted, rtol=1e-9)


def test_masks_are_of_any_size_seeded_and_keep_half():
    a, b, c = (masks(200, 30, 50, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert a.shape == (200, 30, 50)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert (float(a.min()), float(a.max())) == (0, pytest.approx(1))
    assert abs(float(a.mean()) - KEEP) < 0.03


def test_hidden_pixels_get_the_mean_colour():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert (hidden(image, np.ones((8, 8))) == image).all()
    assert (hidden(image, np.zeros((8, 8))) == image.reshape(-1, 3).mean(0).round()).all()


def test_a_picture_is_mapped_and_the_map_says_how_far_to_trust_it():
    image = np.zeros((32, 32, 3), np.uint8)
    image[SQUARE] = (255, 0, 0)

    def red(items):
        return np.array([item[SQUARE][..., 0].mean() / 255 for item in items])

    truth = torch.zeros(32, 32)
    truth[SQUARE] = 1
    found = saliency(red, image, 300, seed=0)
    assert iou(found.map, truth) >= 0.6
    assert found.stability >= 0.6
    noise = np.random.default_rng(0)
    assert saliency(lambda items: noise.random(len(items)), image, 300, seed=0).stability < 0.4
    assert overlap(truth, truth) == 1.0


def test_a_judge_that_fails_is_no_value(failing):
    with pytest.raises(Unjudged, match=r"silent on 2 of 2 items: no idea"):
        value_of(*failing)(["a", "b"])
    judge, preset = failing
    judge.rule = lambda item: Score({"bad": -3.0})
    with pytest.raises(Unjudged, match=r"silent left its range \[0, 1\]"):
        value_of(judge, preset)(["a"])
