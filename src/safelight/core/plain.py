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
WORD = re.compile(r"[^\s!-/:-@\[-`{-~\u2000-\u200b\u2010-\u206f\u3000-\u3004\u3008-\u303f]+")
HIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u180e\u200b\u202a-\u202e"
    r"\u2060-\u206f\u2800\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Control characters, soft hyphen, zero widths, forced directions, tags: never needed in a prompt."""
JOINING = re.compile(
    r"[\u034f\u061c\u115f\u1160\u180b-\u180d\u180f\u200c-\u200f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Invisible as well, but emoji, Arabic, Hebrew, Mongolian, the scripts of India need them; Latin does not."""
LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]{2}")
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
    if text.isascii() and not ODD.search(text):
        return text, []
    found = _hidden(text)
    places = [i for i in range(len(text)) if i not in found or found[i][0]]
    plain = "".join(found[i][0] if i in found else text[i] for i in places)  # text[places[k]] became plain[k]
    for word in _disguised(plain):
        for k, c in enumerate(word[0], word.start()):
            if letter := _letter(c):
                found[places[k]] = (letter, "look-alike")
            elif JOINING.match(c):
                found[places[k]] = ("", "invisible")
    changes = [Change(i, text[i], *found[i]) for i in sorted(found)]
    return "".join(found[i][0] if i in found else c for i, c in enumerate(text)), changes


def skeleton(text: str) -> str:
    """The text as checks should read it besides the text itself.

    Cleaned; a word that looks Latin from end to end is Latin, in small letters; digits and signs between the
    letters of a word are letters, if the letters are more.
    """
    plain = clean(text)[0]
    if not plain.isascii():
        plain = WORD.sub(lambda word: _looks(word[0]), plain)
    return SPELLED.sub(lambda word: _read(word[0]), plain)


def _hidden(text: str) -> dict[int, tuple[str, str]]:
    """What becomes of invisible characters and of forms of Latin ones, by place, with the reason."""
    found: dict[int, tuple[str, str]] = {}
    at, shown = -1, ""  # the last odd character's place, and what is seen there or before it
    for odd in ODD.finditer(text):
        i, c = odd.start(), odd[0]
        if at < i - 1:
            shown = text[i - 1]
        at = i
        if HIDDEN.match(c) or (JOINING.match(c) and not _joins(shown, text[i + 1 : i + 2])):
            found[i] = ("", "invisible")
        elif form := _form(c):
            found[i], shown = (form, "form"), form
        else:
            shown = c
    return found


def _joins(shown: str, following: str) -> bool:
    """Whether a joining character is of use there: in a keycap, after what is not Latin, before Arabic."""
    if following and (following == "\u20e3" or unicodedata.bidirectional(following) in ("R", "AL")):
        return True
    return not shown.isascii() and script(shown) != "LATIN"


@cache
def _form(c: str) -> str:
    """The ASCII letter or digit that a character is a form of; circled digits are signs of their own."""
    plain, form = unicodedata.normalize("NFKC", c), unicodedata.decomposition(c).partition(" ")[0]
    if len(plain) == 1 and plain.isascii() and form in FORMS:
        return plain if plain.isalpha() or (plain.isdigit() and form in ("<font>", "<wide>")) else ""
    return ""


def _disguised(plain: str) -> list[re.Match[str]]:
    """The words of a text whose foreign characters stand for Latin ones."""
    mixed, rest = [], []
    for word in WORD.finditer(plain):
        if not word[0].isascii():
            (mixed if _mixed(word[0]) else rest).append(word)
    foreign = any(script(c) not in ("", "LATIN") for word in rest if len(word[0]) > 1 for c in word[0])
    if foreign or not (mixed or LATIN.search(plain)):
        return mixed
    return mixed + [word for word in rest if len(word[0]) == 1]


def _mixed(word: str) -> bool:
    """Whether a word has Latin letters and others, all of which look Latin."""
    scripts = set(map(script, word)) - {""}
    if "LATIN" not in scripts or len(scripts) == 1:
        return False
    return all(script(c) in ("", "LATIN") or _letter(c) for c in word)


@cache
def _letter(c: str) -> str:
    """The ASCII letter that a character of a foreign script looks like, small unless it is a capital."""
    letter = twin(c) if script(c) not in ("", "LATIN") else ""
    return "" if letter.isdigit() else letter if c.isupper() else letter.lower()


def _looks(word: str) -> str:
    if word.isascii():
        return word
    folded = fold(word)
    return folded if folded.isascii() and folded.isalpha() else word


def _read(word: str) -> str:
    letters = 0 if word.isalpha() else sum(map(str.isalpha, word))
    return (
        INSIDE.sub(lambda signs: signs[0].translate(DIGITS), word) if letters > len(word) - letters else word
    )
