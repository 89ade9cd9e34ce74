"""What the string tiers promise: no disguise of a listed term gets through, and clean text stays as it is."""

from __future__ import annotations

from string import ascii_lowercase

import pytest

from safelight.core.lookalike import script
from safelight.core.nouns import Prompt
from safelight.core.plain import clean, skeleton
from safelight.methods.prompt.terms import Terms


@pytest.fixture(scope="module")
def gate(script):
    return script("gate")


def test_every_disguise_of_every_listed_term_is_found(gate):
    terms = Terms()
    for how, variants in gate.disguises(terms).items():
        texts = [f"a photo of {variant} at home" for variant in variants]
        assert len(texts) > 50, how
        assert [text for text in texts if not terms.prompt(Prompt(text))[1][0].evidence] == [], how


def test_every_look_alike_of_a_letter_is_undone_inside_of_a_latin_word(gate):
    """But for Latin's own letters and for signs, which are drawn as they are and read as what they look
    like."""
    letters = dict.fromkeys(gate.look_alikes(ascii_lowercase))
    assert len(letters) > 1000
    for letter in letters:
        word = f"the q{letter}q house"
        assert clean(word)[0].isascii() or script(letter) in ("LATIN", ""), letter
        assert script(letter) or not letter.isalpha(), letter
        assert skeleton(word).isascii(), letter


@pytest.mark.parametrize("code", ["ru", "el", "ar", "hi", "zh", "ja", "ko"])
def test_real_words_of_other_languages_are_drawn_as_they_are(gate, code):
    pytest.importorskip("babel")
    pytest.importorskip("wordfreq")
    for source, words in gate.clean_words(code).items():
        changed = [word for word in words if clean(word)[0] != word]
        assert len(words) > 400, source
        assert len(changed) < len(words) / 1000, (source, changed)
