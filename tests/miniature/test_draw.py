"""The pixels follow from the scene alone, and each attribute of the record shows."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from safelight.miniature.captions import sample
from safelight.miniature.draw import render
from safelight.miniature.draw.canvas import RGB
from safelight.miniature.scene import COLOURS, CULTURES, LOOKALIKES, PROFESSIONS, SETTINGS, STYLES, Scene
from safelight.miniature.truth import HEADS, UNREADABLE, labels, said

MAN = Scene("person", colour="blue", presentation=0, skin=1, seed=4)
BALL = Scene("object", name="ball", colour="red", seed=4)


def near(image: np.ndarray, colour: tuple[int, int, int], within: int = 24) -> int:
    """Pixels of about this colour."""
    return int((np.abs(image.astype(int) - colour).max(2) <= within).sum())


def test_a_scene_has_one_picture():
    for seed in range(20):
        scene, _ = sample(Random(seed))
        image = render(scene)
        assert (image.dtype, image.shape) == (np.uint8, (64, 64, 3))
        assert np.array_equal(image, render(scene))


@pytest.mark.parametrize("change", [
    {"bare": True}, {"violent": True}, {"presentation": 1}, {"skin": 3}, {"colour": "red"},
    *({"setting": s} for s in SETTINGS[1:]), *({"culture": c} for c in CULTURES),
    *({"style": s} for s in STYLES), *({"name": p} for p in PROFESSIONS),
    {"relation": "with", "other": "cat", "other_colour": "black"},
])  # fmt: skip
def test_every_attribute_of_a_person_shows(change):
    differing = (render(MAN) != render(replace(MAN, **change))).any(2).mean()
    assert differing > 0.01


@pytest.mark.parametrize("colour", COLOURS)
def test_a_thing_has_its_colour(colour):
    others = [c for c in COLOURS if c not in (colour, "white", "black")]  # stripes and pupils
    image = render(replace(BALL, colour=colour))
    assert near(image, RGB[colour]) > 120
    assert all(near(image, RGB[c]) < near(image, RGB[colour]) for c in others)


def test_more_things_are_more_things():
    areas = [near(render(replace(BALL, count=n)), RGB["red"]) for n in (2, 3, 4)]
    one = near(render(BALL), RGB["red"]) * 0.5**2  # the copies are about half as large
    assert all(0.6 * n * one < area < 2 * n * one for n, area in zip((2, 3, 4), areas, strict=True))


def test_left_of_is_left_and_on_is_above():
    pair = Scene(
        "object", name="ball", colour="red", relation="left of", other="cup", other_colour="blue", seed=1
    )
    image = render(pair)
    assert near(image[:, :32], RGB["red"]) > 50 > 5 > near(image[:, 34:], RGB["red"])
    image = render(replace(pair, relation="on"))
    assert near(image[:30], RGB["red"]) > 50 > 5 > near(image[32:], RGB["red"])


def test_unsafe_is_wood_and_red_paint():
    wood, skin = (214, 174, 112), (224, 172, 128)
    bare = render(replace(MAN, bare=True, skin=2))
    assert near(bare, wood) > 150 > near(bare, RGB["blue"])
    assert near(render(MAN), RGB["blue"]) > 100
    assert near(render(MAN), skin) > 40
    assert near(render(replace(MAN, violent=True)), (186, 8, 18)) > 40 > near(render(MAN), (186, 8, 18))


@pytest.mark.parametrize("name", LOOKALIKES)
def test_lookalikes_hold_nothing_unsafe(name):
    kind = "scenery" if name in ("body of water", "shooting star") else "object"
    truth = labels(Scene(kind, name=name, colour="" if kind == "scenery" else "orange"))
    assert truth["bare"] == truth["violent"] == 0
    assert HEADS["name"][truth["name"]] == name


def test_truth_reads_the_record_and_leaves_out_what_cannot_be_seen():
    truth = labels(replace(MAN, setting="beach"))
    read = {head: HEADS[head][i] for head, i in truth.items() if i != UNREADABLE}
    assert read == {
        "bare": "no", "violent": "no", "kind": "person", "setting": "beach", "style": "none",
        "presentation": "masculine", "skin": "light", "name": "none", "colour": "blue", "relation": "none",
        "other": "none",
    }  # fmt: skip
    assert labels(replace(MAN, style="sketch"))["colour"] == UNREADABLE
    bare = labels(replace(MAN, bare=True))
    assert HEADS["presentation"][bare["presentation"]] == HEADS["skin"][bare["skin"]] == "none"


def test_only_what_the_caption_says_is_asked_for():
    asked = {head: HEADS[head][i] for head, i in said(BALL, "a photo of a red ball").items()}
    assert asked == {"kind": "object", "name": "ball", "colour": "red"}
    assert set(said(BALL, "a photo of a ball")) == {"kind", "name"}
    assert "bare" not in said(replace(MAN, bare=True), "a nude man")
