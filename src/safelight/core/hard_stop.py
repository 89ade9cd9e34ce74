"""The one rule that no policy can switch off: a word for minors together with a sexual word is refused.

Idea: two tables of terms (hard_stop.toml) and ages below 18; a text that holds one of each kind is refused.
Neither kind alone is. The text is folded first, so that another case, script, digit, mark or gap inside a
word changes nothing.

It reads English. It errs on the side of refusing, and it is a floor under every policy, not a substitute for
one.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache
from pathlib import Path

from safelight.core.nouns import Prompt

TABLES = Path(__file__).with_name("hard_stop.toml")

# What stands for a letter, besides the letter itself; nobody tells l and i apart.
LEET = {"a": "4@", "e": "3", "i": "1!|l", "l": "1|i", "o": "0", "s": "5$", "t": "7+"}
GAP = "[^a-z0-9]{0,7}"
POSSESSIVE = re.compile(r"(?<=[a-z]{2})['’]s(?![a-z])(?!')")  # its s must not begin a word: "...'s ex"
NUMBERS = "one two three four five six seven eight nine ten eleven twelve"
NUMBERS += " thirteen fourteen fifteen sixteen seventeen"
BELOW_18 = rf"(?<![0-9a-z.])(?<!ty[ -])(?:1\W?[0-7]|[0-9]|(?:{'|'.join(NUMBERS.split())})\b)(?![0-9])"
UP_TO = r"(?:\W{0,3}(?:to|or|and)?\W{0,3}[0-9]{1,2})?"  # "8 to 10 years old"
OLD = r"\W{0,3}(?:y\W?o\b|(?:years?|yrs?|y)\W{0,3}(?:olds?\b|o\b|of\W{1,3}age\b))"
AGE = re.compile(
    rf"{BELOW_18}{UP_TO}{OLD}"
    rf"|\b(?:age[ds]?|ages of|age of)\W{{0,3}}{BELOW_18}"
    r"|\b[0-9]{1,3}\W{0,3}(?:months?|weeks?|days?)\W{0,3}olds?\b"
    r"|\b(?:under|below|younger than)\W{1,3}1[0-8](?![0-9])"
)


def hard_stop(prompt: Prompt) -> bool:
    """True if the prompt, or the user's negative prompt, must not be used under any policy."""
    return any(forbidden(text) for text in (prompt.text, prompt.negative))


def forbidden(text: str) -> bool:
    """True if a text holds a term (or age) of the one table and a term of the other."""
    minor, sexual, joined = _patterns()
    plain = fold(text)
    words = POSSESSIVE.sub(
        " ", re.sub(r"(.)\1{3,}", r"\1\1\1", plain)
    )  # longer runs of a letter tell nothing
    if _found(joined, words):
        return True
    return _found(sexual, words) and (AGE.search(plain) is not None or _found(minor, words))


def fold(text: str) -> str:
    """Small Latin letters wherever a character is one or looks like one, without invisible marks.

    Compatibility forms (full width, circled, mathematical) and accents go by NFKD, look-alikes of other
    scripts by the Unicode table of confusables.
    """
    kept = (
        c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) not in ("Mn", "Me", "Cf")
    )
    return "".join(c if c.isascii() else _latin(c) for c in kept).casefold()


@cache
def _latin(c: str) -> str:
    """The ASCII letter that a character, or its small form, is easily taken for; else the character."""
    from confusable_homoglyphs.confusables import confusables_data  # 0.1 s: only texts that are not ASCII pay

    twins = (twin["c"] for form in (c, c.lower()) for twin in confusables_data.get(form, ()))
    return next((twin for twin in twins if len(twin) == 1 and twin.isascii() and twin.isalpha()), c)


@cache
def tables() -> dict[str, list[str]]:
    """The data file: `minor`, `sexual`, and `ordinary` word pairs that only look like a term when joined."""
    return tomllib.loads(TABLES.read_text(encoding="utf-8"))


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """One pattern a table, and one for two terms written as one word."""
    minor, sexual = ("|".join(map(_spelled, tables()[name])) for name in ("minor", "sexual"))
    joined = f"(?:{minor}){GAP}(?:{sexual})|(?:{sexual}){GAP}(?:{minor})"
    return _whole(minor), _whole(sexual), _whole(joined)


def _spelled(term: str) -> str:
    """A term however it is spelled: letters doubled or in digits, with gaps, in the plural."""
    letters = (f"(?:{c}{{1,3}}|[{LEET[c]}])" if c in LEET else f"{c}{{1,3}}" for c in term.replace(" ", ""))
    return f"{GAP.join(letters)}(?:{GAP}[e3]?[s5$z])?"


def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(f"(?<![a-z])(?:{pattern})(?![a-z])")


def _found(pattern: re.Pattern[str], words: str) -> bool:
    """Whether the pattern occurs other than as two ordinary words, or as a number."""
    spellings = (" ".join(re.split("[^a-z0-9]+", hit[0])) for hit in pattern.finditer(words))
    return any(s not in tables()["ordinary"] and not s.replace(" ", "").isdigit() for s in spellings)
