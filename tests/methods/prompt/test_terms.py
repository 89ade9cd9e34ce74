"""What the lists hold is tested by rule; no sentence is written with their words."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from safelight.core.errors import BadInput, UnknownName
from safelight.core.nouns import Outcome, Prompt
from safelight.methods.prompt.terms import OURS, Terms

LANGUAGES = ("en", "de", "es", "fr", "ja", "ru", "zh")
SHIPPED = sorted(path.stem for path in OURS.glob("*.toml"))
CYRILLIC = str.maketrans("aceiopsxy", "асеіорѕху")
ENTRIES = [
    (name, f"{language} {k}", term)
    for name in SHIPPED
    for words in Terms(name, LANGUAGES).loaded
    for language, terms in words.terms.items()
    for k, term in enumerate(terms, 1)
]


def passed(change, languages=LANGUAGES):
    """The entries of the shipped lists that are not found after `change` was made to them."""
    return [
        (name, entry)
        for name, entry, term in ENTRIES
        if entry.split()[0] in languages
        and entry not in found(Terms(name, languages), f"a photo of {change(term)} at home")
    ]


def found(method, text):
    return [
        entry for decision in method.prompt(Prompt(text))[1] for entry in decision.evidence.get("entries", [])
    ]


@pytest.mark.parametrize(
    "change",
    [
        str,
        str.upper,
        str.title,
        "\u200b".join,
        "\u00ad".join,
        "\u202e".join,
        ".".join,
        lambda t: f"({t}:1.2)",
    ],
    ids=["as it is", "upper", "title", "zero width", "soft hyphen", "bidi", "dots", "weighted"],
)
def test_every_term_is_found(change):
    assert passed(change) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t + "s",
        lambda t: " ".join(t.replace(" ", "")),
        lambda t: t.translate(CYRILLIC),
        lambda t: t.translate(str.maketrans("aeost", "43057")),
        lambda t: t.replace(" ", "-"),
        lambda t: "".join(c * 4 for c in t),
    ],
    ids=["plural", "spaced", "look-alikes", "leet", "hyphens", "stretched"],
)
def test_every_english_term_is_found_in_disguise(change):
    assert passed(change, ("en",)) == []


def test_the_decision_names_list_and_place_and_no_word():
    [decision] = Terms("violence").prompt(Prompt(f"a photo of {ENTRIES[-1][2]} {_first('violence')}"))[1]
    assert (decision.outcome, decision.category) == (Outcome.BLOCK, "violence")
    assert "en 1" in decision.evidence["entries"]  # pyright: ignore[reportOperatorIssue]
    assert _first("violence") not in json.dumps(asdict(decision))


def test_no_term_is_one_decision_that_allows():
    [decision] = Terms().prompt(Prompt("a photo of a cat", negative=_first("violence")))[1]
    assert (decision.outcome, decision.reason) == (Outcome.ALLOW, "no term of the lists")


def test_allowed_phrases_of_the_lists_hold_a_term_and_pass():
    for name in SHIPPED:
        method = Terms(name)
        [words] = method.loaded
        assert [phrase for phrase in words.allow if found(method, phrase)] == []


def test_review_and_own_exceptions_and_files(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("teapot\n")
    [decision] = Terms(str(mine), action="review").prompt(Prompt("a T3apot"))[1]
    assert (decision.outcome, decision.category) == (Outcome.REVIEW, "mine")
    assert found(Terms(str(mine), allow="teapot lid"), "a teapot lid") == []


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(UnknownName, match="Did you mean 'violence'"):
        Terms("violense")
    with pytest.raises(UnknownName, match="language of the word list violence"):
        Terms("violence", languages="xx")
    with pytest.raises(BadInput, match="it has no list"):
        Terms(())
    with pytest.raises(BadInput, match="Did you mean 'block'"):
        Terms(action="blok")  # pyright: ignore[reportArgumentType]
    with pytest.raises(BadInput, match="cannot be read"):
        Terms(str(Path(tmp_path) / "none.txt"))


def _first(name):
    return Terms(name).loaded[0].terms["en"][0]
