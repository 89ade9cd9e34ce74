"""Files of pictures as people see them; what has no one meaning, or is no picture, is refused in words."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from safelight.core.errors import BadInput
from safelight.core.pictures import opened, unreadable


def save(path: Path, image: Image.Image, **how: object) -> Path:
    image.save(path, **how)  # pyright: ignore[reportArgumentType]
    return path


def test_pixels_are_what_people_see(tmp_path):
    red, half = Image.new("RGB", (4, 2), (200, 10, 10)), Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn
    assert opened(save(tmp_path / "a.png", red)).tolist() == [[[200, 10, 10]] * 4] * 2
    assert (opened(save(tmp_path / "b.png", half)) == 255).all()
    assert opened(save(tmp_path / "c.png", Image.new("L", (4, 2), 7))).tolist() == [[[7] * 3] * 4] * 2
    assert opened(save(tmp_path / "d.png", red.quantize(4))).shape == (2, 4, 3)
    assert opened(save(tmp_path / "e.jpg", red, exif=turned)).shape == (4, 2, 3)


def test_what_has_no_one_meaning_is_refused(tmp_path):
    frames = [Image.new("RGB", (4, 2), c) for c in ("red", "blue")]
    deep = Image.fromarray(np.full((2, 4), 60_000, np.uint16))
    cut = save(tmp_path / "cut.png", frames[0])
    cut.write_bytes(cut.read_bytes()[:40])
    for path, said in (
        (save(tmp_path / "a.webp", frames[0], save_all=True, append_images=frames[1:]), "animation"),
        (save(tmp_path / "deep.png", deep), "more than 8 bits"),
        (cut, "no readable picture"),
    ):
        with pytest.raises(BadInput, match=said):
            opened(path)


def test_pictures_are_read_upright_and_in_rgb(tmp_path):
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[0, :, 0] = 255  # a red line on top
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    Image.fromarray(pixels[::-1, ::-1]).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(opened(tmp_path / "turned.png"), pixels)
    Image.fromarray(pixels).convert("RGBA").save(tmp_path / "alpha.png")
    assert np.array_equal(opened(tmp_path / "alpha.png"), pixels)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (None, "got NoneType"),
        (np.zeros((4, 4), np.uint8), r"got uint8 \[4, 4\]"),
        (np.zeros((4, 4, 3)), "got float64"),
        (np.zeros((0, 4, 3), np.uint8), r"got uint8 \[0, 4, 3\]"),
        (np.zeros((2, 33, 3), np.uint8), "33 x 2 pixels is hardly seen"),
    ],
)
def test_what_is_no_picture_is_told(item, said):
    assert re.search(said, unreadable(item))


def test_a_picture_is_readable():
    assert unreadable(np.zeros((2, 32, 3), np.uint8)) == ""
