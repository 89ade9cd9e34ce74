from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from safelight.core.errors import Damaged
from safelight.store.images import Images, image_hash


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def test_a_picture_comes_back_bit_for_bit_from_its_hash(tmp_path: Path):
    images, a = Images(tmp_path), picture(0)
    digest = images.put(a)
    assert images.path(digest) == tmp_path / digest[:2] / f"{digest}.png"
    assert np.array_equal(images.get(digest), a)


def test_a_picture_is_stored_once(tmp_path: Path):
    images, a = Images(tmp_path), picture(0)
    first = images.put(a)
    written = images.path(first).stat().st_mtime_ns
    assert images.put(a.copy()) == first
    assert images.put(picture(1)) != first
    assert images.path(first).stat().st_mtime_ns == written
    assert sorted(p.suffix for p in tmp_path.rglob("*.*")) == [".png", ".png"]  # no part files left


def test_the_hash_is_of_pixels_and_shape(tmp_path: Path):
    a = picture(0)
    assert image_hash(a) == image_hash(np.asfortranarray(a))
    assert image_hash(a) != image_hash(a.reshape(32, 128, 3))


def test_a_changed_or_lost_picture_is_damaged(tmp_path: Path):
    images = Images(tmp_path)
    digest = images.put(picture(0))
    Image.fromarray(picture(1)).save(images.path(digest))
    with pytest.raises(Damaged, match="is not the one that was stored"):
        images.get(digest)
    images.path(digest).write_bytes(b"\x89PNG")
    with pytest.raises(Damaged, match="missing or unreadable"):
        images.get(digest)
