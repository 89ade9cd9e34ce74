"""Pictures with labels, from folders and tables; what has no one meaning is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from safelight.core.errors import BadInput
from safelight.policies.labelled import labelled, picture


def save(path: Path, image: Image.Image | None = None, **how: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or Image.new("RGB", (4, 2), (200, 10, 10))).save(path, **how)  # pyright: ignore[reportArgumentType]
    return path


def test_subfolders_are_labels(tmp_path):
    a, b = save(tmp_path / "safe" / "a.png"), save(tmp_path / "unsafe" / "deep" / "b.jpg")
    (tmp_path / "safe" / "notes.txt").write_text("")
    assert labelled(tmp_path) == [(a, "safe"), (b, "unsafe")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.csv", "path,label\na.png,safe\nsub/b.png,bare\n"),
        ("list.jsonl", '{"path": "a.png", "label": "safe"}\n\n{"path": "sub/b.png", "label": "bare"}\n'),
    ],
)
def test_tables_name_files_beside_them(tmp_path, name, text):
    a, b = save(tmp_path / "a.png"), save(tmp_path / "sub" / "b.png")
    (tmp_path / name).write_text(text)
    assert labelled(tmp_path / name) == [(a, "safe"), (b, "bare")]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("list.csv", "path,label\nnone.png,safe\n", r"none\.png, which is not there \(1 of 1 are not\)"),
        ("list.csv", "path,label\na.png,\n", "row 1: it needs a path and a label"),
        ("list.csv", "file,label\na.png,safe\n", "row 1: it needs a path and a label"),
        ("list.jsonl", "{path", "cannot be read"),
        ("list.txt", "a.png safe", r"neither a folder nor a \.csv or \.jsonl"),
    ],
)
def test_a_bad_table_is_refused(tmp_path, name, text, said):
    save(tmp_path / "a.png")
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=said):
        labelled(tmp_path / name)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(BadInput, match="one subfolder a label"):
        labelled(tmp_path)


def test_pixels_are_what_people_see(tmp_path):
    red, half = Image.new("RGB", (4, 2), (200, 10, 10)), Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn
    assert picture(save(tmp_path / "a.png", red)).tolist() == [[[200, 10, 10]] * 4] * 2
    assert (picture(save(tmp_path / "b.png", half)) == 255).all()
    assert picture(save(tmp_path / "c.png", Image.new("L", (4, 2), 7))).tolist() == [[[7] * 3] * 4] * 2
    assert picture(save(tmp_path / "d.png", red.quantize(4))).shape == (2, 4, 3)
    assert picture(save(tmp_path / "e.jpg", red, exif=turned)).shape == (4, 2, 3)


def test_what_has_no_one_meaning_is_refused(tmp_path):
    frames = [Image.new("RGB", (4, 2), c) for c in ("red", "blue")]
    deep = Image.fromarray(np.full((2, 4), 60_000, np.uint16))
    cut = save(tmp_path / "cut.png")
    cut.write_bytes(cut.read_bytes()[:40])
    for path, said in (
        (save(tmp_path / "a.webp", frames[0], save_all=True, append_images=frames[1:]), "animation"),
        (save(tmp_path / "deep.png", deep), "more than 8 bits"),
        (cut, "no readable picture"),
    ):
        with pytest.raises(BadInput, match=said):
            picture(path)
