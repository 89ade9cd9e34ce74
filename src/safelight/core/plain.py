"""Two plain versions of a text: the one that a model may draw, and the one that checks read besides it.

Idea: `clean` takes out only what hides something: invisible characters, Latin letters in another form,
foreign letters inside Latin words. Words of other languages stay as they are. `skeleton` also undoes what can
be harmless: digits for letters, and whole words of look-alikes.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from safelight.core.lookalike import fold, script, twin

ODD = re.compile(r"[^\t\n\r -~]")
WORD = re.compile(r"[^\s!-/:-@\[-`{-~\u2000-\u200b\u200e-\u206f\u3000-\u303f]+")
HIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    r"\u2060-\u206f\u2800\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Control characters, soft hyphen, zero widths, directions, tags: never needed in a prompt."""
JOINING = re.compile(
    r"[\u034f\u115f\u1160\u180b-\u180d\u180f\u200c\u200d\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Invisible as well, but emoji, Persian, Mongolian, old Korean, the scripts of India need them; Latin not."""
FORMS = ("<font>", "<wide>", "<circle>", "<square>", "<compat>")
DIGITS = str.maketrans("0134578@$", "oieastbas")
INSIDE = re.compile(r"(?<=[A-Za-z])[0134578@$]+(?=[A-Za-z])")
SPELLED = re.compile(r"[A-Za-z0-9@$]+")


@dataclass(frozen=True)
class Change:
    """A character that `clean` replaced: its place in the text as written, and why ("invisible", "form",
    "look-alike")."""

    offset: int
    was: str
    now: str
    why: str


def clean(text: str) -> tuple[str, list[Change]]:
    """The text to draw, and what was changed. Cleaning twice is cleaning once; plain ASCII never changes.

    A look-alike becomes the Latin letter where its word has Latin letters and none that stay foreign, or
    where it is a word by itself in a text that is Latin otherwise.
    """
    if not ODD.search(text):
        return text, []
    now, why = list(text), [""] * len(text)
    shown = ""
    for i, c in enumerate(text):
        if c.isascii() and c >= " ":
            shown = c
        elif HIDDEN.match(c) or (JOINING.match(c) and _after_latin(shown, text[i + 1 : i + 2])):
            now[i], why[i] = "", "invisible"
        else:
            shown = form = _form(c) or c
            if form != c:
                now[i], why[i] = form, "form"
    places = [i for i, c in enumerate(now) if c]
    plain = "".join(now)  # one character each, so that places[k] is where plain[k] was
    latin = _latin(plain)
    for word in WORD.finditer(plain):
        if not word[0].isascii() and _disguised(word[0], latin):
            for k in range(*word.span()):
                if script(plain[k]) != "LATIN" and (letter := _letter(plain[k])):
                    now[places[k]], why[places[k]] = letter, "look-alike"
                elif JOINING.match(plain[k]) and why[places[k - 1]] == "look-alike":
                    now[places[k]], why[places[k]] = "", "look-alike"
    changes = [Change(i, text[i], now[i], why[i]) for i in range(len(text)) if now[i] != text[i]]
    return "".join(now), changes


def skeleton(text: str) -> str:
    """The text as checks should read it besides the text itself.

    Cleaned; a word that looks Latin from end to end is Latin, in small letters; digits and signs between the
    letters of a word are letters, if the letters are more.
    """
    plain = WORD.sub(lambda word: _looks(word[0]), clean(text)[0])
    return SPELLED.sub(lambda word: _read(word[0]), plain)


def _after_latin(shown: str, following: str) -> bool:
    """Whether a joining character after the shown one has no use there."""
    if following == "\u20e3":  # a keycap
        return False
    return not shown or shown.isascii() or script(shown) == "LATIN"


@cache
def _form(c: str) -> str:
    """The ASCII letter or digit that a character is a form of; circled digits are signs of their own."""
    plain, form = unicodedata.normalize("NFKC", c), unicodedata.decomposition(c).partition(" ")[0]
    if len(plain) == 1 and plain.isascii() and form in FORMS:
        return plain if plain.isalpha() or (plain.isdigit() and form in ("<font>", "<wide>")) else ""
    return ""


def _latin(plain: str) -> bool:
    """Whether a text's words are Latin, disguised ones included, but for words of one letter."""
    words = [word for word in WORD.findall(plain) if len(word) > 1]
    scripts = [{"LATIN"} if _disguised(word, latin=False) else set(map(script, word)) for word in words]
    return set().union(*scripts) - {""} == {"LATIN"}


def _disguised(word: str, latin: bool) -> bool:
    """Whether a word's foreign characters stand for Latin ones; `latin`: the other words are."""
    scripts = {script(c) for c in word} - {""}
    if "LATIN" not in scripts and not (latin and len(word) == 1):
        return False
    return scripts != {"LATIN"} and all(script(c) in ("", "LATIN") or _letter(c) for c in word)


@cache
def _letter(c: str) -> str:
    """The ASCII letter that a foreign character looks like, small unless the character is a capital."""
    letter = twin(c) if script(c) else ""
    return "" if letter.isdigit() else letter if c.isupper() else letter.lower()


def _looks(word: str) -> str:
    if word.isascii():
        return word
    folded = fold(word)
    return folded if folded.isascii() and folded.isalpha() else word


def _read(word: str) -> str:
    letters = sum(c.isalpha() for c in word)
    return (
        INSIDE.sub(lambda signs: signs[0].translate(DIGITS), word) if letters > len(word) - letters else word
    )
