"""Regions are whole, and an edit stays inside of them."""

from __future__ import annotations

import numpy as np
import torch

from safelight.localise.region import blurred, components, region, soft, within


def test_components_are_numbered_apart_and_corners_connect():
    mask = torch.tensor([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]]).bool()
    found = components(mask)
    assert found[0, 0] == found[1, 1]
    assert len(found[mask].unique()) == 3
    assert (found[~mask] == 0).all()


def test_specks_are_dropped_and_the_rest_grows():
    found = torch.zeros(64, 64)
    found[20:40, 20:40] = 2.0
    found[60, 60] = 3.0  # a speck
    where = region(found, 401 / 4096)
    assert where[18:42, 18:42].all()
    assert where.sum() == 24 * 24


def test_outside_of_the_region_and_its_edge_nothing_changes():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (64, 64, 3), np.uint8)
    where = np.zeros((64, 64), bool)
    where[20:40, 20:40] = True
    edited = within(image, 255 - image, where)
    assert (edited[where] == 255 - image[where]).all()
    far = np.ones((64, 64), bool)
    far[14:46, 14:46] = False
    assert (edited[far] == image[far]).all()
    assert soft(where)[30, 16:20].tolist() == sorted(soft(where)[30, 16:20].tolist())
    assert blurred(image, 0.04).std() < image.std() / 2
