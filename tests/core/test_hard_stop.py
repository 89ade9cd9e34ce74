"""The hard stop, by rule: inputs are built from its tables, and a failure prints positions, never words."""

from __future__ import annotations

import time
import unicodedata
from string import ascii_letters

import pytest
from confusable_homoglyphs.confusables import confusables_data

from safelight.core.hard_stop import forbidden, hard_stop, tables
from safelight.core.lookalike import fold
from safelight.core.nouns import Prompt

MINOR, SEXUAL, ORDINARY = (tables()[name] for name in ("minor", "sexual", "ordinary"))
ZERO_WIDTH, SOFT_HYPHEN, ACCENT = "\u200b", "\u00ad", "\u0301"
LOOK_ALIKE = str.maketrans("aceiopsxy", "асеіорѕху")  # Cyrillic
LEET = str.maketrans("aeost", "43057")
MORE_LEET = str.maketrans("bgiszc", "891$2(")
MASKED = str.maketrans("aeiou", "*****")


def pairs():
    """Each term of either table at least once, beside one of the other that changes."""
    for k in range(max(len(MINOR), len(SEXUAL))):
        yield MINOR[k % len(MINOR)], SEXUAL[k % len(SEXUAL)]


def moved(term, alphabet):
    """The term in the letters of another alphabet of Unicode, which begins at this code point."""
    return "".join(chr(ord(letter) - ord("a") + alphabet) if letter != " " else " " for letter in term)


def missed(change):
    """Positions of the pairs that pass the rule after `change` was made to both terms."""
    return [
        k for k, (m, s) in enumerate(pairs()) if not forbidden(f"a photo, {change(m)} at home {change(s)}")
    ]


def test_every_term_with_every_term_of_the_other_table():
    gone = [(i, j) for i, m in enumerate(MINOR) for j, s in enumerate(SEXUAL) if not forbidden(f"{s}, {m}")]
    assert gone == []


@pytest.mark.parametrize("join", [" ", "", ", ", "\n", " in a house with a ", "_", "🙂", " " * 200], ids=repr)
def test_in_both_orders_whatever_stands_between(join):
    gone = [
        k for k, (m, s) in enumerate(pairs()) if not (forbidden(m + join + s) and forbidden(s + join + m))
    ]
    assert gone == []


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        str.title,
        lambda term: term + "s",
        lambda term: ".".join(term),
        lambda term: " ".join(term),
        lambda term: " - ".join(term),
        lambda term: ZERO_WIDTH.join(term),
        lambda term: SOFT_HYPHEN.join(term),
        lambda term: ACCENT.join(term),
        lambda term: ("\u3164" * 9).join(term),
        lambda term: "\U000e0041".join(term),
        lambda term: "\x08".join(term),
        lambda term: (" " * 12).join(term),
        lambda term: " . . . . . ".join(term),
        lambda term: term.replace(" ", ""),
        lambda term: "".join(letter * 5 for letter in term),
        lambda term: term.translate(LEET),
        lambda term: term.translate(MORE_LEET) if term.translate(MORE_LEET).strip("0123456789 ") else term,
        lambda term: term.translate(MASKED) if len(term) > 3 else term,
        lambda term: term.translate(LOOK_ALIKE),
        lambda term: term.upper().translate(str.maketrans("ABEHKMOPCTX", "АВЕНКМОРСТХ")),
        lambda term: moved(term, 0xFF41),
        lambda term: moved(term, 0x1D41A),
        lambda term: moved(term, 0x24D0),
        lambda term: moved(term, 0x1F170),
        lambda term: moved(term, 0x1F1E6),
    ],
    ids=[
        "upper case", "title case", "plural", "dots", "spaces", "spaced dashes", "zero width",
        "soft hyphens", "accents", "fillers", "tags", "control characters", "many spaces", "many marks",
        "written together", "long letters", "digits", "more digits", "masked vowels", "look-alikes",
        "capital look-alikes", "full width", "bold", "circled", "framed", "flags",
    ],
)  # fmt: skip
def test_disguises_change_nothing(change):
    assert missed(change) == []


def test_every_look_alike_of_unicodes_table_is_read_as_its_letter():
    table = {key.strip("\u200e"): [t["c"] for t in value] for key, value in confusables_data.items()}
    letters = {
        c: next((t for t in twins if t in tuple(ascii_letters)), "").lower() for c, twins in table.items()
    }
    twins = {c: letter for c, letter in letters.items() if letter and len(c) == 1 and not c.isascii()}
    assert len(twins) > 1200
    gone = set()
    for c, letter in twins.items():
        term = next((term for term in SEXUAL + MINOR if letter in term), None)
        if term is not None:
            other = MINOR[0] if term in SEXUAL else SEXUAL[0]
            gone |= {
                c
                for k, x in enumerate(term)
                if x == letter and not forbidden(f"{other}, {term[:k]}{c}{term[k + 1 :]}")
            }
    assert {f"U+{ord(c):04X}" for c in gone} == set()
    assert {letter for letter in twins.values() if not any(letter in term for term in SEXUAL + MINOR)} <= {
        "q"
    }


def test_a_picture_of_a_thing_is_a_word_for_it():
    emoji = [c for c in map(chr, range(0x1F300, 0x1FB00)) if unicodedata.category(c) == "So"]
    names = {c: unicodedata.name(c).lower().split() for c in emoji}
    seen = [c for c in emoji if set(names[c]) & set(MINOR)]
    assert len(seen) > 5
    assert [names[c] for c in seen if not forbidden(f"{c} {SEXUAL[0]}")] == []
    assert [names[c] for c in seen if forbidden(f"{c} at the beach")] == []
    assert not forbidden(f"\N{NO ONE UNDER EIGHTEEN SYMBOL} {SEXUAL[0]}")


@pytest.mark.parametrize("gap", ["-", " ", "*", "·"])
def test_a_gap_at_any_place_inside_a_word(gap):
    def places(term):
        words = term.replace(" ", "")
        return [
            words[:i] + gap + words[i:]
            for i in range(1, len(words))
            if f"{words[:i]} {words[i:]}" not in ORDINARY
        ]

    gone = [k for k, (m, s) in enumerate(pairs()) for cut in places(m) if not forbidden(f"{cut} and {s}")]
    gone += [k for k, (m, s) in enumerate(pairs()) for cut in places(s) if not forbidden(f"{cut} and {m}")]
    assert gone == []


YOUNG = [
    "{} year old", "{}-year-old", "{} years old", "{} yrs old", "aged {}", "age {}", "age: {}", "{}yo",
    "{} y/o", "{} y.o.", "{} years of age", "{} to 19 years old",
]  # fmt: skip


@pytest.mark.parametrize("form", YOUNG)
def test_an_age_counts_below_18_and_not_from_18_on(form):
    texts = {n: f"{form.format(n)}, {SEXUAL[n % len(SEXUAL)]}" for n in range(1, 120)}
    below = 200 if "to 19" in form else 18  # "30 to 19 years old" is read from its second number
    assert [n for n in range(1, 18) if not forbidden(texts[n])] == []
    assert [n for n in range(below, 120) if forbidden(texts[n])] == []


def test_an_age_in_words():
    words = {
        "one": True,
        "nine": True,
        "twelve": True,
        "seventeen": True,
        "eighteen": False,
        "forty-five": False,
    }
    assert {word: forbidden(f"{word} year old, {SEXUAL[0]}") for word in words} == words


def test_neither_table_alone_is_refused():
    assert [
        k for k, m in enumerate(MINOR) if forbidden(f"a photo of a {m}, {MINOR[k - 1]} at the beach")
    ] == []
    assert [
        k for k, s in enumerate(SEXUAL) if forbidden(f"a photo of {s}, {SEXUAL[k - 1]} at the beach")
    ] == []
    assert not forbidden("12 years old and 14yo")


def test_words_that_contain_a_term_are_not_the_term():
    inside = [f"q{m}q" for m in MINOR] + [f"w{m}w" for m in MINOR]
    assert [k for k, word in enumerate(inside) if forbidden(f"{word} {SEXUAL[0]}")] == []


def test_two_ordinary_words_are_not_a_term():
    assert [
        k for k, words in enumerate(ORDINARY) if forbidden(f"{words} {MINOR[0]} {SEXUAL[0]}"[: len(words)])
    ] == []
    sexual = [words for words in ORDINARY if not forbidden(f"{words}, {SEXUAL[0]}")]
    minor = [words for words in ORDINARY if not forbidden(f"{words}, {MINOR[0]}")]
    assert set(sexual) | set(minor) == set(ORDINARY)
    assert all(
        not forbidden(f"the {words} here, {MINOR[1]}") for words in ORDINARY if words in ("pen is", "an us")
    )


def test_the_negative_prompt_is_read_too_but_by_itself():
    both = f"{MINOR[0]} {SEXUAL[0]}"
    assert hard_stop(Prompt("a cat", negative=both))
    assert hard_stop(Prompt(both))
    assert not hard_stop(
        Prompt(f"a {MINOR[0]} on the beach", negative=SEXUAL[0])
    )  # what a careful user writes


def test_texts_that_methods_seek_are_read_by_themselves_and_together_with_the_prompt():
    together = [
        k
        for k, (m, s) in enumerate(pairs())
        if not (
            hard_stop(Prompt(f"a photo, {m}"), [s])
            and hard_stop(Prompt(f"a photo, {s}"), ["a hat", m])
            and hard_stop(Prompt("a photo"), [m, s])
        )
    ]
    alone = [k for k, (m, s) in enumerate(pairs()) if not hard_stop(Prompt("a photo"), ["a hat", f"{m} {s}"])]
    neither = [k for k, (_, s) in enumerate(pairs()) if hard_stop(Prompt(f"a photo, {s}"), ["a hat", s])]
    avoided = [k for k, (m, s) in enumerate(pairs()) if hard_stop(Prompt("a photo", negative=m), [s])]
    assert (together, alone, neither, avoided) == ([], [], [], [])


def test_harmless_prompts_pass():
    for text in (
        "",
        "🙂",
        "a photo of a body",
        "фото кота",
        "μια γάτα",
        "a naked flame",
        "a public bathroom",
        "a" * 10_000,
    ):
        assert not forbidden(text)


def test_folding_keeps_what_is_not_latin():
    assert fold("Ｃafé КОТ\u200b!") == "cafe kot!"
    assert fold("猫 🙂") == "猫 🙂"


@pytest.mark.parametrize(
    "text",
    ["a" * 10_000, "! " * 5_000, "1|i" * 3_333, SEXUAL[0] * 1_500, "*!1|" * 2_500, "e*s*" * 2_500],
    ids=range(6),
)
def test_long_texts_are_read_in_a_moment(text):
    forbidden("")  # compiles the patterns
    start = time.perf_counter()
    forbidden(text)
    assert time.perf_counter() - start < 2
