"""Which Latin letter or digit a reader takes a character for, and which script it belongs to.

Idea: three sources, the surest first. Compatibility forms (full width, circled, mathematical) and accents go
by Unicode's own decomposition, look-alikes of other scripts by its table of confusables (TR39), and what is a
Latin letter in a frame, with a stroke or as a small capital by its own name. Marks and invisible characters
stand for nothing.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Blank, though Unicode calls them letters (Hangul) or a symbol (Braille)."""
LONG_S = "ſ"
"""Taken for s by who knows old print, for f by who does not: it stays, and patterns read it as both."""
NAMED = re.compile(r"(?:.* )?(?:LATIN|INDICATOR) .*?LETTER (?:(?!SHARP)[A-Z]+ )*([A-Z])(?: WITH .*)?")


def fold(text: str) -> str:
    """The text in small ASCII letters and digits, wherever a character is one or looks like one.

    For looking words up, not for reading: real words of other scripts change as well. Time is linear.
    """
    return text.translate(_FOLDED)


@cache
def twin(c: str) -> str:
    """The ASCII letter, else the digit, that the table of confusables gives for a character; else ""."""
    return next((t for form in (c, c.lower()) for t in _twins().get(form, ())), "")


@cache
def script(c: str) -> str:
    """The script of a letter, such as "LATIN"; "" for what all scripts share: digits, marks, signs. That of a
    mathematical letter is that of the letter."""
    from confusable_homoglyphs.categories import alias

    name = alias(c)
    if name == "COMMON" and c.isalpha() and len(plain := unicodedata.normalize("NFKC", c)) == 1:
        name = alias(plain)
    return "" if name in ("COMMON", "INHERITED", "Unknown") else name


def invisible(c: str) -> bool:
    """Whether a character shows nothing and is no white space, or only changes the one before it."""
    category = unicodedata.category(c)
    return category in ("Mn", "Me", "Cf") or c in FILLERS or (category == "Cc" and not c.isspace())


def emoji(text: str) -> list[str]:
    """The names of a text's emoji and signs in small letters: a picture of a thing is a word for it."""
    if text.isascii():
        return []
    return [unicodedata.name(c, "").lower() for c in text if unicodedata.category(c) == "So"]


class _Folded(dict[int, str]):
    """What `fold` makes of each character that it has met: filled on demand, so most texts cost a look-up."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _fold(chr(code))
        return folded


_FOLDED = _Folded()


def _fold(c: str) -> str:
    if c.isascii() or c == LONG_S:
        return "" if invisible(c) else c.lower()
    if invisible(c):
        return ""
    parts = "".join(part for part in unicodedata.normalize("NFKD", c) if not invisible(part))
    if parts.isascii() and parts.isalnum():
        return parts.lower()
    seen = twin(c) or _named(c) or "".join(twin(part) or _named(part) or part for part in parts)
    return seen.casefold()


def _named(c: str) -> str:
    """The letter of a name such as NEGATIVE SQUARED LATIN CAPITAL LETTER A; "" if there is none."""
    found = NAMED.fullmatch(unicodedata.name(c, ""))
    return found[1] if found else ""


@cache
def _twins() -> dict[str, list[str]]:
    """For each character the ASCII letters, then digits, that it is confused with."""
    from confusable_homoglyphs.confusables import confusables_data  # 0.1 s: only texts that are not ASCII pay

    # The package keeps the marks that the source file puts round letters written from right to left.
    table = (
        (key.strip("\u200e"), [entry["c"] for entry in value]) for key, value in confusables_data.items()
    )
    ascii_ = {c: [t for t in t_all if len(t) == 1 and t.isascii() and t.isalnum()] for c, t_all in table}
    return {c: sorted(t, key=str.isdigit) for c, t in ascii_.items() if t and not c.isascii()}
