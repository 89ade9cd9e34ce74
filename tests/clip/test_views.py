"""Views: squares that cover a picture, and the highest value of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.core.errors import BadInput
from safelight.core.nouns import Score
from safelight.core.ports import Preset, Reads
from safelight.judges import Tiled, Views


class Brightness:
    """The mean of each colour; judges views of one size alone."""

    name, version, content_hash = "brightness", "1", "abc"
    reads: Reads = "image"
    labels, range = ("red", "green"), (0.0, 255.0)
    presets: Mapping[str, Preset] = {"default": Preset(("red",), 128.0)}

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        assert len({min(item.shape[:2]) for item in items}) == 1
        return [Score({"red": float(x[..., 0].mean()), "green": float(x[..., 1].mean())}) for x in items]


@settings(deadline=None)
@given(
    height=st.integers(8, 90),
    width=st.integers(8, 90),
    tiles=st.integers(1, 4),
    overlap=st.sampled_from([0.0, 0.25, 0.5]),
)
def test_the_tiles_are_squares_that_cover_the_picture_and_overlap(height, width, tiles, overlap):
    whole, *squares = Views(tiles, overlap).boxes(height, width)
    assert whole == (0, 0, width, height)
    covered = np.zeros((height, width), bool)
    for x, y, w, h in squares or [whole]:
        assert w == h
        assert 0 <= x <= width - w
        assert 0 <= y <= height - h
        covered[y : y + h, x : x + w] = True
    assert covered.all()
    starts = sorted({x for x, *_ in squares})
    if len(starts) > 1:
        side = squares[0][2]
        assert max(b - a for a, b in pairwise(starts)) <= side * (1 - overlap) + 1


def test_how_many_views():
    assert [len(Views(tiles).boxes(64, 64)) for tiles in (1, 2, 3)] == [1, 1 + 4, 1 + 9]
    assert len(Views(1).boxes(64, 128)) == 1 + 3  # the sides of a wide picture are outside of CLIP's square


def test_the_highest_value_counts_and_says_where():
    image = np.zeros((64, 64, 3), np.uint8)
    image[40:, 40:, 0] = 250  # a red corner, 14 % of the picture
    [alone], [tiled] = Brightness()([image]), Tiled(Brightness())([image])
    assert alone.values is not None
    assert tiled.values is not None
    assert alone.values["red"] == pytest.approx(250 * (24 / 64) ** 2)
    assert tiled.values["red"] == pytest.approx(250 * (24 / 37) ** 2, abs=2)
    assert tiled.values["green"] == 0
    assert {label: box for label, *box, _ in tiled.boxes}["red"] == [27, 27, 37, 37]


def test_a_tiled_judge_is_another_judge():
    tiled = Tiled(Brightness(), Views(3))
    assert (tiled.name, tiled.version, tiled.labels) == ("brightness-tiles-3", "1", ("red", "green"))
    assert tiled.content_hash not in ("abc", Tiled(Brightness()).content_hash)
    assert tiled.content_hash == Tiled(Brightness(), Views(3)).content_hash


def test_one_view_that_fails_fails_the_picture():
    class Squeamish(Brightness):
        def __call__(self, items: Sequence[Any]) -> list[Score]:
            bad = Score(None, "failed", "too bright")
            return [
                bad if x.mean() > 100 else score
                for x, score in zip(items, super().__call__(items), strict=True)
            ]

    corner = np.zeros((64, 64, 3), np.uint8)
    corner[40:, 40:] = 255
    dark, bright = Tiled(Squeamish())([np.zeros((64, 64, 3), np.uint8), corner])
    assert dark.status == "ok"
    assert (bright.values, bright.status) == (None, "failed")
    assert bright.detail == "in the view (27, 27, 37, 37): too bright"


def test_nan_in_a_view_is_not_lost_in_the_maximum():
    class Unsure(Brightness):
        def __call__(self, items: Sequence[Any]) -> list[Score]:
            return [
                Score({"red": float("nan") if k == 1 else 1.0, "green": 0.0}) for k, _ in enumerate(items)
            ]

    [score] = Tiled(Unsure())([np.zeros((64, 64, 3), np.uint8)])
    assert (score.status, score.detail) == ("failed", "in the view (0, 0, 37, 37): red is nan")


@pytest.mark.parametrize("made", [lambda: Views(0), lambda: Views(2, 0.6), lambda: Views(2, -0.1)])
def test_bad_views_are_refused(made):
    with pytest.raises(BadInput, match=r"tiles|overlap"):
        made()


def test_what_is_no_picture_fails():
    assert [score.status for score in Tiled(Brightness())([None, np.zeros((4, 4), np.uint8)])] == [
        "failed"
    ] * 2
