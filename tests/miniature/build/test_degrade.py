"""Pictures made imperfect: which change, by how much, and what is then not asked of a judge."""

from __future__ import annotations

import numpy as np
import torch

from safelight.miniature.build import data
from safelight.miniature.build.degrade import FADE, TINT, tinted
from safelight.miniature.build.oracles import COLOURED, Material
from safelight.miniature.truth import HEADS, UNREADABLE


def test_half_are_tinted_and_the_others_are_the_same_bits():
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(400, 3, 8, 8, generator=rng) * 2 - 1
    y, some = tinted(x, rng)
    assert 160 < some.sum() < 240
    assert torch.equal(y[~some], x[~some])
    assert ((y - x).abs().amax((1, 2, 3)) > 0)[some].all()
    assert y.abs().max() <= 1


def test_a_grey_picture_keeps_its_grey_but_for_a_tint():
    """Saturation and contrast move nothing on a plain grey, so what is left is the tint."""
    x = torch.full((200, 3, 4, 4), 0.1)
    y, some = tinted(x, torch.Generator().manual_seed(1))
    moved = (y - x)[some][:, :, 0, 0]
    assert moved.abs().max() <= TINT + 1e-6
    assert moved.abs().max() > 0.9 * TINT
    assert (moved.std(1) > 0).all()  # each channel on its own


def test_contrast_is_faded_within_its_range():
    x = torch.cat([torch.full((300, 3, 4, 2), 0.2), torch.full((300, 3, 4, 2), -0.2)], dim=3)
    y, some = tinted(x, torch.Generator().manual_seed(2))
    kept = ((y[..., 0] - y[..., 3]) / 0.4)[some]
    low, high = FADE
    assert low - 1e-5 <= kept.min() < low + 0.05
    assert high - 0.05 < kept.max() <= high + 1e-5


def test_colours_are_asked_of_the_untinted_only():
    n, rng = 200, np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)
    labels = np.zeros((n, len(HEADS)), dtype=np.int8)
    material = Material(data.Split(images, labels, [""] * n), images)
    _, found = material.batch(n, torch.Generator().manual_seed(3))
    columns = [list(HEADS).index(head) for head in COLOURED]
    masked = found == UNREADABLE
    assert 60 < masked[:, columns[0]].sum() < 140
    assert torch.equal(masked[:, columns[0]], masked[:, columns[1]])
    others = [i for i in range(len(HEADS)) if i not in columns]
    assert not masked[:, others].any()
