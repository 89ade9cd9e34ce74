"""The unsafe pixels of a drawn picture are known, because the same scene can be drawn without them."""

from __future__ import annotations

from safelight.miniature.draw import render
from safelight.miniature.scene import Scene
from safelight.miniature.unsafe import unsafe_pixels

PERSON = {"kind": "person", "colour": "blue", "presentation": 0, "skin": 1, "seed": 5}


def test_a_bare_figure_is_where_its_body_is():
    where = unsafe_pixels(Scene(**PERSON, bare=True))
    assert 0.05 < where.mean() < 0.4
    assert where[24:56, 24:40].mean() > 0.4  # the trunk and the legs
    assert not where[:, :4].any()  # beside it


def test_splashes_alone_are_all_that_differs_in_an_empty_place():
    scene = Scene("scenery", violent=True, seed=3)
    where = unsafe_pixels(scene)
    red = render(scene)[where].astype(int)
    assert 0.01 < where.mean() < 0.3
    assert (red[:, 0] > red[:, 1]).mean() > 0.95


def test_a_safe_scene_has_none():
    assert not unsafe_pixels(Scene(**PERSON)).any()
