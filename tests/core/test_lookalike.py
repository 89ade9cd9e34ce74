from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.core.lookalike import fold, invisible, script, twin


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Ｃafé КОТ\u200b!", "cafe kot!"),  # full width, an accent, Cyrillic capitals, a zero width
        ("ⓦ𝔬𝓻𝚍", "word"),
        ("🅆🅞🅁🄳 🇼", "word w"),
        ("ᴡᴏʀᴅ łøđ", "word lod"),  # small capitals, strokes
        ("w\u05e1rd ه", "word o"),  # letters of right-to-left scripts
        ("ﬁle ２", "file 2"),
        ("Зоо", "3oo"),
        ("猫 🙂 дом", "猫 🙂 дoм"),
        ("ſ", "ſ"),
    ],
)
def test_what_a_reader_takes_a_text_for(text, folded):
    assert fold(text) == folded


@given(st.text())
def test_folding_twice_is_folding_once_and_leaves_nothing_invisible(text):
    once = fold(text)
    assert fold(once) == once
    assert not any(map(invisible, once))


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_ascii_only_loses_its_capitals(text):
    assert fold(text) == text.lower()


def test_twins_and_scripts():
    assert [twin(c) for c in "оο۵З猫e"] == ["o", "o", "o", "3", "", ""]
    assert [script(c) for c in "aоο猫1 🙂"] == ["LATIN", "CYRILLIC", "GREEK", "HAN", "", "", ""]


@pytest.mark.parametrize("text", ["\ud800", "\u0301" * 10_000, "﷽" * 10_000, "🅆" * 10_000], ids=range(4))
def test_odd_and_long_texts_take_a_moment(text):
    begun = time.process_time()
    fold(text)
    assert time.process_time() - begun < 5  # quadratic would be minutes
