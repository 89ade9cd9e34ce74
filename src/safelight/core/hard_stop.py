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
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from safelight.core.errors import Refused
from safelight.core.lookalike import emoji, fold
from safelight.core.nouns import Prompt
from safelight.core.spelling import ANY_GAP, alternatives, shortened, whole

TABLES = Path(__file__).with_name("hard_stop.toml")

POSSESSIVE = re.compile(r"(?<=[a-z]{2})['’]s(?![a-z])(?!')")  # its s must not begin a word: "...'s ex"
ADULTS_ONLY = "no one under eighteen symbol"  # the emoji that says the opposite of what its words look like
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


def hard_stop(prompt: Prompt, sought: Sequence[str] = ()) -> bool:
    """True if the prompt, or the user's negative prompt, must not be used under any policy.

    sought: texts that methods steer the picture towards. Each is read by itself, and all of them as one text
    with the prompt, which they complete.
    """
    together = ", ".join([prompt.text, *sought])
    return any(map(forbidden, dict.fromkeys([prompt.text, prompt.negative, *sought, together])))  # each once


def forbidden(text: str) -> bool:
    """True if a text holds a term (or age) of the one table and a term of the other."""
    minor, sexual, joined = _patterns()
    plain = fold(text)
    words = POSSESSIVE.sub(" ", shortened(plain))
    if _found(joined, words):
        return True
    if not _found(sexual, words):
        return False
    drawn = ", ".join(name for name in emoji(text) if name != ADULTS_ONLY)
    return AGE.search(plain) is not None or _found(minor, words) or _found(minor, drawn)


def allowed(texts: Sequence[str]) -> None:
    """Raises Refused if the hard stop holds for a text that is to be drawn."""
    for place, text in enumerate(texts, 1):
        if forbidden(text):
            raise Refused([f"text {place} is refused by the hard stop: no setting allows it"])


@cache
def tables() -> dict[str, list[str]]:
    """The data file: `minor`, `sexual`, and `ordinary` word pairs that only look like a term when joined."""
    return tomllib.loads(TABLES.read_text(encoding="utf-8"))


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """One pattern a table, and one for two terms written as one word."""
    minor, sexual = (
        alternatives(term.replace(" ", "") for term in tables()[name]) for name in ("minor", "sexual")
    )
    joined = f"(?:{minor}){ANY_GAP}(?:{sexual})|(?:{sexual}){ANY_GAP}(?:{minor})"
    return whole(minor), whole(sexual), whole(joined)


def _found(pattern: re.Pattern[str], words: str) -> bool:
    """Whether the pattern occurs other than as two ordinary words, or as a number."""
    spellings = (" ".join(re.split("[^a-z0-9]+", hit[0])).strip() for hit in pattern.finditer(words))
    return any(s not in tables()["ordinary"] and not s.replace(" ", "").isdigit() for s in spellings)
