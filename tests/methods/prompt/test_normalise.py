from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from safelight.core.errors import BadInput
from safelight.core.nouns import Outcome, Prompt
from safelight.methods.prompt.normalise import LISTED, Normalise
from safelight.miniature.words import FOREIGN, GLYPHS

HIDDEN = Prompt("a phоto of a c\u200bat", negative="rаin")  # two Cyrillic letters and a zero width


def test_the_model_draws_the_cleaned_prompt_and_the_decision_says_what_was_changed():
    prompt, [decision] = Normalise().prompt(HIDDEN)
    assert prompt == Prompt("a photo of a cat", negative="rain")
    assert decision.outcome is Outcome.REWRITE
    assert decision.reason == "characters that hide or disguise: 2 look-alike, 1 invisible"
    assert decision.evidence["text"] == [
        {
            "offset": 4, "character": "U+043E", "name": "CYRILLIC SMALL LETTER O", "script": "CYRILLIC",
            "now": "o", "why": "look-alike",
        },
        {
            "offset": 14, "character": "U+200B", "name": "ZERO WIDTH SPACE", "script": "", "now": "",
            "why": "invisible",
        },
    ]  # fmt: skip
    json.dumps(asdict(decision))  # it goes into a record


def test_nothing_to_do_is_no_decision():
    for text in ("a photo of a cat, 8k", "фото кота", "猫 🙂"):
        assert Normalise().prompt(Prompt(text)) == (Prompt(text), [])


def test_the_other_modes_leave_the_text():
    for mode, outcome in {"report": Outcome.ALLOW, "reject": Outcome.BLOCK}.items():
        prompt, [decision] = Normalise.of(mode=mode).prompt(HIDDEN)
        assert (prompt, decision.outcome) == (HIDDEN, outcome)
    with pytest.raises(BadInput, match="Did you mean 'report'"):
        Normalise("reprot")  # pyright: ignore[reportArgumentType]


def test_checks_read_the_skeleton_as_well():
    assert Normalise().views(Prompt("s3cret сосоа")) == ["secret cocoa"]


def test_thousands_of_changes_are_counted_and_a_few_listed():
    _, [decision] = Normalise().prompt(Prompt("a\u200b" * 5_000))
    assert decision.evidence["counts"] == {"invisible": 5_000}
    assert len(decision.evidence["text"]) == LISTED  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("culture", GLYPHS)
def test_the_miniatures_foreign_letters_are_undone_and_its_foreign_words_stay(culture):
    unlike = "иκυ"  # drawn for Latin letters in the miniature, not in Unicode's table
    for latin, glyph in GLYPHS[culture].items():
        if glyph not in unlike:
            assert Normalise().prompt(Prompt(f"the q{glyph}q"))[0].text == f"the q{latin}q"
    for word in FOREIGN[culture].values():
        assert Normalise().prompt(Prompt(f"{word} {word}")) == (Prompt(f"{word} {word}"), [])
