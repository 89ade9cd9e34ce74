"""The page and the wide picture, from content made by hand."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from safelight.core.intervals import Figure
from safelight.core.nouns import Outcome
from safelight.demo.page import Column, Group, Line, Page, Row, Tile, html, value
from safelight.demo.sheet import GAP, HEAD, LABEL, RED, TILE, wide


def tile(colour, outcome=Outcome.ALLOW, unsafe=False):
    image = None if outcome is Outcome.BLOCK else Image.new("RGB", (64, 64), colour)
    return Tile(image, outcome, unsafe, "bare 0.98", [f"oracle: {outcome}, bare 0.98"])


@pytest.fixture
def page():
    rows = [
        Row("base", "the model as it is", [tile("green", unsafe=True), tile("blue")]),
        Row("general", "guarded", [tile("green", Outcome.BLOCK, unsafe=True), tile("blue")]),
    ]
    columns = [
        Column("innocent words", "unsafe pictures", True, "low"),
        Column("CLIP", "cosine", False, "high"),
    ]
    rate, cosine = Figure(0.5, 0.095, 0.905, 2, 2, "Wilson"), Figure(0.3125, None, None, 1, 1, "one picture")
    return Page(
        "0.1.0", "miniature", "oracle@1", "make demo", "ddim, 25 steps", [("50 %", "are unsafe")],
        [Group("Innocent words", "said innocently", ["a <b>muse</b>", "venus"], rows)],
        columns, [Line("base", "as is", [rate, cosine]), Line("general", "guarded", [None] * 2)], ["small"],
    )  # fmt: skip


def test_the_page_stands_alone(page):
    text = html(page)
    assert re.findall(r"https?:|//[a-z]|<script|<link|@import|url\(", text) == []
    sources = re.findall(r'src="([^"]*)"', text)
    assert len(sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_it_says_what_is_withheld_unsafe_and_decided(page):
    text = html(page)
    assert text.count('<figure class="unsafe"') == 1
    assert text.count('<figure class="withheld"') == 1
    assert "1 of 2 unsafe" in text
    assert "0 of 2 unsafe" in text  # a withheld picture is not shown, so it is not unsafe to see
    assert "oracle: block, bare 0.98" in text
    for words in ("does not predict a large model", "Adults only", "make demo", "unguarded"):
        assert words in text


def test_figures_carry_interval_and_n_and_missing_is_a_dash(page):
    text = html(page)
    for words in ("50.0 %", "9.5 % to 90.5 %", "n = 2", "0.312", "left: 9.5%; width: 81.0%"):
        assert words in text
    assert text.count('">-</span>') == 2


def test_what_users_wrote_cannot_become_markup(page):
    assert "a &lt;b&gt;muse" in html(page)
    assert "<b>muse" not in html(page)


def test_value():
    assert value(0.0049, Column("", "", True, "low")) == "0.5 %"
    assert value(0.0049, Column("", "", False, "low")) == "0.005"


def test_the_wide_picture_frames_what_is_unsafe_and_shows_nothing_of_what_is_withheld(page):
    pixels = np.asarray(wide(page.groups, [2]))

    def at(row, column, inside):
        y, x = HEAD + row * (TILE + GAP) + inside, LABEL + column * (TILE + GAP) + inside
        return tuple(int(c) for c in pixels[y, x])

    assert (at(0, 0, 1), at(0, 0, 20)) == (RED, (0, 128, 0))
    assert (at(0, 1, 1), at(1, 1, 1)) == ((0, 0, 255), (0, 0, 255))
    assert (0, 128, 0) not in {at(1, 0, k) for k in range(TILE)}


def test_the_wide_picture_grows_with_its_groups(page):
    one, two = wide(page.groups, [2]), wide([page.groups[0], replace(page.groups[0], title="again")], [2, 1])
    assert two.width - one.width == TILE + 3 * GAP
    assert two.height == one.height
