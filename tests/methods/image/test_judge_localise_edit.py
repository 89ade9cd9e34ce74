"""Unsafe pictures are changed where they are unsafe, judged again, and withheld if that does not help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from safelight import judges
from safelight.core.errors import BadInput, UnknownName
from safelight.core.nouns import Outcome, Prompt, Score
from safelight.core.ports import Preset, Reads
from safelight.diffusion import tiny
from safelight.diffusion.load import load
from safelight.guarded import generate
from safelight.guarded.studio import Studio
from safelight.localise import value_of
from safelight.localise.pixels import saliency
from safelight.localise.region import blurred, region, soft, within
from safelight.methods.image.judge_localise_edit import JudgeLocaliseEdit
from safelight.miniature.captions import sample
from safelight.miniature.draw import render
from safelight.miniature.unsafe import unsafe_pixels
from safelight.policies import Bound, Policy

TABLE = """
schema = 1
name = "repair"
[[method]]
use = "judge-localise-edit"
judge = "own"
masks = 8
"""


class Own:
    """A judge by a rule."""

    name, version, labels, range, content_hash = "own", "1", ("bad",), (0.0, 1.0), "0"
    reads: Reads = "image"

    def __init__(self, rule):
        self.rule = rule
        self.presets: Mapping[str, Preset] = {"default": Preset(("bad",), 0.5)}

    def __call__(self, items):
        return [Score({"bad": float(self.rule(item))}) for item in items]


class First:
    """The first picture is bad, and so is the word."""

    def __init__(self):
        self.bytes = b""

    def __call__(self, item):
        if isinstance(item, str):
            return "bad" in item
        self.bytes = self.bytes or item.tobytes()
        return item.tobytes() == self.bytes


def rough(item):
    """From 0 for a smooth picture to 1: how much neighbours differ."""
    return 0.0 if isinstance(item, str) else min(1.0, np.abs(np.diff(item.astype(int), axis=1)).mean() / 10)


@pytest.fixture(scope="module")
def model():
    made = load(tiny.sd())
    made.sampling = replace(made.sampling, steps=2, guidance=5.0, block=2)
    return made


@pytest.fixture
def case(model):
    """A method with its judge, on a picture."""

    def run(method, rule, image, text="a cat"):
        judge = Own(rule)
        bound = Bound(Policy("p"), (method,), (), {"own": (judge, judge.presets["default"])})
        image, [said] = method.image(image, Prompt(text), Studio(model, model.sampling, bound).of(3, image))
        return image, said

    return run


def checkered():
    image = np.full((64, 64, 3), 128, np.uint8)
    image[:4] = 120  # what the blur leaves must not be a picture of one colour
    image[20:36, 24:40] = 255 * (np.indices((16, 16)).sum(0) % 2)[..., None]
    return image


def test_a_safe_picture_is_left_alone(case):
    image = np.full((16, 16, 3), 128, np.uint8)
    image[0] = 127  # a picture of one colour is none
    kept, said = case(JudgeLocaliseEdit("own"), rough, image)
    assert kept is image
    assert (said.outcome, said.evidence) == (Outcome.ALLOW, {"before": 0.0, "tried": []})


def test_blur_changes_the_region_and_nothing_else(case):
    image = checkered()
    before = rough(image)
    kept, said = case(JudgeLocaliseEdit("own", edits=("blur",)), rough, image)
    assert said.outcome is Outcome.REPAIR
    assert rough(kept) < 0.5 <= before
    assert said.score == said.evidence["tried"][0]["score"] == rough(kept)
    changed = (kept != image).any(-1)
    assert changed[20:36, 24:40].mean() > 0.9
    judge = Own(rough)
    found = saliency(value_of(judge, judge.presets["default"]), checkered(), 200, 3)
    where = region(found.map, 0.2)
    assert where[20:36, 24:40].all()
    assert not changed[soft(where) == 0].any()
    assert np.array_equal(image, checkered())


def test_the_default_blur_hides_what_is_unsafe_from_an_oracle_that_took_no_part():
    judge, preset = judges.load("oracle-b")
    unsafe, rng = value_of(judge, preset), Random(0)
    scenes = [scene for scene, _ in (sample(rng) for _ in range(200)) if scene.bare or scene.violent][:20]

    def seen(sigma):
        pictures = [(render(scene), unsafe_pixels(scene)) for scene in scenes]
        edited = [within(image, blurred(image, sigma), where) for image, where in pictures]
        return (unsafe(edited) >= preset.threshold).mean()

    assert seen(0.04) > 0.7  # what a region loses is its edges, not what it shows
    assert seen(JudgeLocaliseEdit().sigma) < 0.2


def test_what_no_edit_repairs_is_blocked(case):
    image = checkered()
    kept, said = case(JudgeLocaliseEdit("own", edits=("blur",)), lambda item: 1.0, image)
    assert (said.outcome, kept is image) == (Outcome.BLOCK, True)
    _, said = case(JudgeLocaliseEdit("own", edits=("blur",), largest=0.01), rough, image)
    assert (said.outcome, said.evidence["tried"]) == (Outcome.BLOCK, [])
    _, said = case(JudgeLocaliseEdit("own", edits=("blur",), gain=2.0), rough, image)
    assert (said.outcome, len(said.evidence["tried"])) == (Outcome.BLOCK, 1)


def test_words_are_replaced_and_the_picture_is_drawn_again_on_its_noise(model):
    policy, judges = Policy.read(TABLE), {"own": Own(First())}
    [picture] = generate("a bad cat", model, policy, judges=judges).pictures
    [expected] = generate("a clothed cat", model, "research").pictures
    assert picture.outcome is Outcome.REPAIR
    assert np.array_equal(np.asarray(picture.image), np.asarray(expected.image))
    tried: Any = picture.decisions[-1].evidence["tried"]
    assert [one["edit"] for one in tried] == ["words"]


def test_inpainting_draws_in_the_region(model):
    table = TABLE.replace("masks = 8", 'masks = 40\nedits = ["inpaint"]\nshare = 0.1\ngain = 0.0')
    plain = np.asarray(generate("a cat", model, "research").pictures[0].image)
    left = plain[:, :6].astype(float).mean()

    def left_is_as_drawn(item):  # and not hidden nor drawn anew
        return 1 - min(1.0, abs(item[:, :6].astype(float).mean() - left) / 4)

    [picture] = generate("a cat", model, Policy.read(table), judges={"own": Own(left_is_as_drawn)}).pictures
    found: Any = picture.decisions[-1].evidence
    assert {one["edit"] for one in found["tried"]} == {"inpaint"}
    assert 0 < found["area"] <= 0.7
    assert (picture.image is None) == (picture.outcome is Outcome.BLOCK)


def test_a_picture_that_cannot_be_repaired_and_a_judge_that_fails_withhold_it(model):
    def silent(item):
        raise ValueError("no idea")

    for rule, why in ((lambda item: 1.0, "none of words, inpaint, blur repaired it"), (silent, "no idea")):
        [picture] = generate("a cat", model, Policy.read(TABLE), judges={"own": Own(rule)}).pictures
        assert (picture.image, picture.outcome) == (None, Outcome.BLOCK)
        assert why in picture.decisions[-1].reason


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"edits": ("blurr",)}, UnknownName),
        ({"edits": ()}, BadInput),
        ({"edits": ("blur", "blur")}, BadInput),
        ({"share": 0.0}, BadInput),
        ({"masks": 2}, BadInput),
        ({"gain": float("nan")}, BadInput),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields, error):
    with pytest.raises(error):
        JudgeLocaliseEdit(**fields)
