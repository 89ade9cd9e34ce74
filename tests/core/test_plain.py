from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.core.plain import clean, skeleton

ASCII = st.text(st.characters(min_codepoint=32, max_codepoint=126))
REAL = [
    "фото старого города у моря, а кот и я дома",
    "μια γάτα σε ένα σπίτι, ο άνδρας",
    "صورة قطة في المدينة ٢٠٢٤",
    "می\u200cخواهم خانه",
    "एक बिल्ली की तस्वीर, क्\u200dष",
    "夜の街を歩く猫、（写真）",
    "城市里的一只猫，傍晚！",
    "고양이와 강아지 사진",
    "ภาพแมวในเมือง",
    "תמונה של חתול",
    "İstanbul'da ılık bir gün",
    "một con mèo trong thành phố",
    "café, naïve, Größe, smørrebrød",
    "Tシャツ iPhone用 PC방",
    "USB-кабель и 3D-принтер",
    "the word кот on a sign",
    "👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 1\ufe0f\u20e3 🇩🇪",
    "½ cup, 20 °C, m², № 5, …",
]


@pytest.mark.parametrize("text", REAL)
def test_real_text_stays_as_it_is(text):
    assert clean(text) == (text, [])


@pytest.mark.parametrize(
    ("text", "drawn", "why"),
    [
        ("a phоto of a сar", "a photo of a car", {"look-alike"}),  # Cyrillic inside Latin words
        ("a photo of о car", "a photo of o car", {"look-alike"}),  # and as a word by itself
        ("ph০to, Αpple", "photo, Apple", {"look-alike"}),  # a Bengali zero, a Greek capital
        ("Ｔｈｅ 𝓬𝓪𝓽 ⓘn １２", "The cat in 12", {"form"}),
        ("x\u200by\u202ez\U000e0041\u00ad w\ufe0f\u200d\x00v", "xyz wv", {"invisible"}),
        ("с\u200bat", "cat", {"look-alike", "invisible"}),
    ],
)
def test_what_hides_is_taken_out_with_its_place_and_reason(text, drawn, why):
    cleaned, changes = clean(text)
    assert cleaned == drawn
    assert {change.why for change in changes} == why
    assert [text[change.offset] for change in changes] == [change.was for change in changes]
    put_back = list(text)
    for change in changes:
        put_back[change.offset] = change.now
    assert "".join(put_back) == drawn


@given(st.text(st.sampled_from("aоοо eе猫🙂\u200b\u200d\ufe0f\u202e1０Ａⓑ,.é\u0301ه৪")) | st.text())
def test_cleaning_twice_is_cleaning_once(text):
    once, _ = clean(text)
    assert clean(once) == (once, [])


@given(ASCII)
def test_ascii_is_drawn_as_it_is_and_read_with_digits_as_letters_only_inside_of_words(text):
    assert clean(text) == (text, [])
    read = skeleton(text)
    assert len(read) == len(text)
    for k, (was, now) in enumerate(zip(text, read, strict=True)):
        if was != now:
            assert was in "0134578@$"
            assert 0 < k < len(text) - 1


@pytest.mark.parametrize(
    "text", ["4k", "mp3", "1980s", "3d", "2x4x6", "50mm f1.8", "h2o", "100", "sd1.5", "1st", "b52"]
)
def test_numbers_are_no_letters(text):
    assert skeleton(text) == text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("s0met1mes a r0b0t h3re", "sometimes a robot here"),
        ("сосоа", "cocoa"),  # Cyrillic from end to end: a word of another language, or a disguise
        ("Größe café", "grosse cafe"),
        ("ᴡᴏʀᴅ 🇼🇴🇷🇩", "word word"),
        ("猫 кот", "猫 кот"),
    ],
)
def test_checks_read_what_could_be_meant(text, read):
    assert skeleton(text) == read


LONG = ["a", "м", "аb", "\u200b", "猫", "\u0301", "\ud800a", "1a", "а "]


@pytest.mark.parametrize("text", [unit * (10_000 // len(unit)) for unit in LONG], ids=range(len(LONG)))
def test_long_and_odd_texts_take_a_moment(text):
    begun = time.process_time()
    skeleton(text)
    assert time.process_time() - begun < 5  # quadratic would be minutes
