from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from safelight.benchmark import folder
from safelight.core.errors import BadInput
from safelight.core.nouns import Score
from safelight.core.ports import Preset, Reads


class Red:
    """How red the picture is, with a box around all of it."""

    name, version, labels, range, content_hash = "red", "1", ("red",), (0.0, 1.0), "abc"
    reads: Reads = "image"
    presets: Mapping[str, Preset] = MappingProxyType({"default": Preset(("red",), 0.5)})

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        return [self._score(x) for x in items]

    def _score(self, x: np.ndarray) -> Score:
        value = float(x[..., 0].mean() / 255)
        return Score({"red": value}, boxes=(("red", 0.0, 0.0, float(x.shape[1]), float(x.shape[0]), value),))


def picture(red: int, side: int = 8) -> np.ndarray:
    pixels = np.full((side, side, 3), (red, 0, 0), np.uint8)
    pixels[0, 0, 2] = 200  # not of one single colour
    return pixels


@pytest.fixture
def place(tmp_path):
    """Two red pictures, one dark one; a blank one, and three that cannot be read."""
    inner = tmp_path / "set" / "inner"
    inner.mkdir(parents=True)
    Image.fromarray(picture(255)).save(tmp_path / "set" / "b.png")
    Image.fromarray(picture(200, side=30)).save(inner / "a.PNG")
    Image.fromarray(picture(20)).save(tmp_path / "set" / "c.png")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "set" / "black.png")
    (tmp_path / "set" / "torn.jpg").write_bytes(b"\xff\xd8\xff nothing")
    Image.fromarray(np.full((8, 8), 9000, np.uint16)).save(tmp_path / "set" / "deep.png")
    frames = [Image.fromarray(picture(k)) for k in (10, 250)]
    frames[0].save(tmp_path / "set" / "moving.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "set" / "notes.txt").write_text("not a picture")
    return tmp_path / "set"


def test_what_cannot_be_judged_is_counted_and_in_no_share(place):
    judged = folder.judged(place, Red())
    assert list(judged.scores) == [
        "b.png", "black.png", "c.png", "deep.png", "inner/a.PNG", "moving.gif", "torn.jpg",
    ]  # fmt: skip
    figure = judged.share(Red.presets["default"])
    assert (figure.n, figure.failed, figure.value) == (3, 4, pytest.approx(2 / 3))
    details = {file: score.detail for file, score in judged.scores.items() if score.values is None}
    assert "single colour" in details["black.png"]
    assert "deep.png has more than 8 bits a channel" in details["deep.png"]
    assert "moving.gif is an animation" in details["moving.gif"]
    assert "torn.jpg is no readable picture" in details["torn.jpg"]


def test_blocks_change_nothing(place, monkeypatch):
    whole = folder.judged(place, Red())
    monkeypatch.setattr(folder, "BLOCK", 2)
    heard = []
    assert folder.judged(place, Red(), lambda *told: heard.append(told)) == whole
    assert heard[-1] == ("set", 7, 7)


def test_one_picture_is_a_place_too(place):
    [(file, score)] = folder.judged(place / "b.png", Red()).scores.items()
    assert (file, score.values) == ("b.png", {"red": 1.0})


def test_what_was_written_is_read_back(place, tmp_path):
    judged = folder.judged(place, Red())
    file = tmp_path / "scores.json"
    file.write_text(json.dumps({"folders": [judged.json()]}))
    assert list(folder.read(file)) == [judged]


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"folders": [{"place": "x"}]}', '{"folders": [{"place": "x", "pictures": [1]}]}'],
)
def test_a_file_of_something_else_is_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(BadInput, match="holds no scores of `safelight judge --json`"):
        list(folder.read(tmp_path / "x.json"))


@pytest.mark.parametrize("value", [float("nan"), "0.3", None])
def test_a_value_that_is_no_number_is_refused(tmp_path, value):
    row = {"file": "a.png", "status": "ok", "detail": "", "values": {"red": value}, "boxes": []}
    table = {"place": "x", "judge": "red@1", "weights": "abc", "pictures": [row]}
    (tmp_path / "x.json").write_text(json.dumps({"folders": [table]}))
    with pytest.raises(BadInput, match=r"the score of a\.png"):
        list(folder.read(tmp_path / "x.json"))


def test_a_place_without_pictures_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"there is no picture in .*\.bmp, \.gif"):
        folder.judged(tmp_path, Red())
    with pytest.raises(BadInput, match=r"there is no .*nowhere: name a picture or a folder"):
        folder.judged(tmp_path / "nowhere", Red())
