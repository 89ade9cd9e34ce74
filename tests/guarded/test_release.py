"""What is written for the user."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from safelight.core.errors import BadInput
from safelight.core.nouns import Outcome
from safelight.core.ports import Preset
from safelight.guarded import generate
from safelight.guarded.release import placeholder, shown
from safelight.policies import Check, Policy

RESEARCH = Policy.load("research")


def test_released_pictures_and_all_decisions_are_written(tiny_model, policy, judge, tmp_path):
    judge.presets = {"default": Preset(("bright",), 0.0)}
    result = generate("a cat", tiny_model, RESEARCH, n=2)
    paths = result.save(tmp_path / "new" / "folder")
    for path, picture in zip(paths, result.pictures, strict=True):
        assert (np.asarray(Image.open(path)) == np.asarray(picture.image)).all()
    saved = json.loads((tmp_path / "new" / "folder" / "result.json").read_text())
    assert [row["file"] for row in saved] == [path.name for path in paths]
    assert saved[0]["decisions"][0]["outcome"] == "allow"

    blocked = generate("a cat", tiny_model, policy(), judges={"brightness": judge})
    assert blocked.save(tmp_path) == []
    assert json.loads((tmp_path / "result.json").read_text())[0]["file"] is None


def test_another_picture_never_overwrites_one(tiny_model, tmp_path):
    for seed in (0, 1, 1):
        generate("a cat", tiny_model, RESEARCH, seed=seed).save(tmp_path)
    assert len(list(tmp_path.glob("1-1-*.png"))) == 2


def test_a_folder_that_cannot_be_written_is_named(tiny_model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"cannot write .*file"):
        generate("a cat", tiny_model, RESEARCH).save(tmp_path / "file")


def test_a_blurred_picture_keeps_its_colours_and_loses_its_detail():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    blurred = np.asarray(shown(noise, Outcome.BLUR), dtype=float)
    assert blurred.mean() == pytest.approx(noise.mean(), abs=3)
    assert blurred.std() < noise.std() / 10


@pytest.mark.parametrize("action", ["blur", "replace", "block"])
def test_an_outcome_in_plain_letters_acts_as_well(tiny_model, judge, action):
    judge.presets = {"default": Preset(("bright",), 0.0)}
    policy = Policy("plain", checks=(Check("image", "brightness", action),))
    [before] = generate("a cat", tiny_model, RESEARCH).pictures
    [after] = generate("a cat", tiny_model, policy, judges={"brightness": judge}).pictures
    expected = shown(np.asarray(before.image), Outcome(action))
    assert after.outcome is Outcome(action)
    assert (after.image is None) == (expected is None)
    assert expected is None or np.array_equal(np.asarray(after.image), np.asarray(expected))


def test_a_placeholder_shows_nothing_of_the_picture():
    noise = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    assert shown(noise, Outcome.REPLACE) == placeholder((48, 64))
    assert shown(noise, Outcome.BLOCK) is None
    assert shown(noise, Outcome.REVIEW) is None
