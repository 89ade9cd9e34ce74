"""A prompt in its parts: what it shows, and what only changes how.

Idea: people write prompts as a subject and a list of modifiers (Oppenlaender's six types, arXiv 2204.13988).
The parts are read from commas, from the notations of weights, `(x:1.2)`, `((x))`, `[x]`, `x::2`, and from the
lists of modifiers.toml. What no rule knows is "unknown", never guessed, and the parts join to the prompt.

    subject     the first part that is nothing else; without "an oil painting of" and "by somebody"
    image       an address or a token that stands for a picture or for added weights
    style       media, movements, "by ...", "in the style of ..."
    booster     "highly detailed", "8k", "trending on artstation"
    repeating   a part that was there before, or one word three times in a row
    magic       words that nobody can read: letters and digits mixed, or no vowel
    unknown     further content, or what the lists do not hold;      mark   commas, brackets, weights, spaces
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from safelight.core.errors import BadInput

Kind = Literal["subject", "image", "style", "booster", "repeating", "magic", "unknown", "mark"]
CONTENT = ("subject", "magic", "unknown")
"""What a prompt asks to be drawn, as far as the parser can tell."""
LISTS = Path(__file__).with_name("modifiers.toml")
UP = 1.1
"""What a bracket multiplies by, and a square one divides by: the notation of the AUTOMATIC1111 interface."""
LARGEST = 10.0

ADDRESS = r"https?://[^\s,()]+|<[a-z]+:[^<>\n]{1,200}>"
WEIGHT = r"-?[0-9]{1,6}(?:\.[0-9]{1,6})?"
CUTS = re.compile(
    rf"({ADDRESS}|::(?:{WEIGHT})?|:{WEIGHT}(?=\))|[()\[\]]|[,;|\n，、。]+|\.(?=\s))", re.IGNORECASE
)
AGAIN = re.compile(r"\b(\w{1,40})((?:[ ]+\1\b)+)", re.IGNORECASE)
MAKER = re.compile(r"\s(?:by [A-Z]|in the style of |in (?:[\w-]+ ){1,2}style\b)")
STYLE = re.compile(
    r"(?:by (?!(?:an?|the|my|his|her|their|its) )|in the style of |inspired by |style of ).*"
    r"|(?:[\w-]+ ){1,2}style",
    re.IGNORECASE | re.DOTALL,
)
WEIGHED = re.compile(rf":{WEIGHT}")
READABLE = re.compile(r"[0-9]+[a-z]{0,3}|[a-z]{1,3}[0-9]+|[a-z]{1,3}|[a-z]*[aeiouy][a-z]*")
LONGEST = 4  # words of a phrase in the lists


@dataclass(frozen=True)
class Part:
    """A piece of a prompt. `weight` is 1 where nothing was said."""

    text: str
    kind: Kind
    weight: float = 1.0


@lru_cache(maxsize=8)  # one prompt is asked about twice: for its decision and for what checks read
def parse(prompt: str) -> tuple[Part, ...]:
    """The parts of a prompt; their texts join to it. A bracket without a partner weighs nothing.

    Raises:
        BadInput: a weight is outside of -10 to 10.
    """
    pieces = CUTS.split(prompt)  # texts at even places, what cuts them at odd ones
    parts: list[Part] = []
    seen: set[str] = set()
    subject = False
    for k, (piece, weight) in enumerate(zip(pieces, _weights(pieces), strict=True)):
        if k % 2:
            parts.append(Part(piece, "image" if piece[0] in "<hH" else "mark", weight))
            continue
        for text, kind in _split(piece, seen):
            if kind == "unknown" and not subject:
                kind, subject = "subject", True
            parts.append(Part(text, kind, weight))
    return tuple(parts)


def content(parts: Sequence[Part]) -> str:
    """What is left without styles, boosters and repetitions: the text to judge the subject by."""
    return ", ".join(part.text.strip() for part in parts if part.kind in CONTENT)


def diluted(parts: Sequence[Part]) -> float:
    """The share of a prompt's words, in [0, 1], that are styles, boosters or repetitions; 0 without words."""
    words = dict.fromkeys((*CONTENT, "style", "booster", "repeating"), 0)
    for part in parts:
        if part.kind in words:
            words[part.kind] += len(part.text.split())
    total = sum(words.values())
    return 1 - sum(words[kind] for kind in CONTENT) / total if total else 0.0


def _split(piece: str, seen: set[str]) -> Iterator[tuple[str, Kind]]:
    """One text between cuts: its spaces, its style before and behind, words said twice, and the rest."""
    text = piece.strip()
    if not text:
        if piece:
            yield piece, "mark"
        return
    lead, _, tail = piece.partition(text)
    if lead:
        yield lead, "mark"
    words = _words(text)
    said, kind = " ".join(words), _kind(text, words)
    if not said and text.isascii():
        yield text, "mark"
    elif said and said in seen:
        yield text, "repeating"
    elif kind == "unknown":
        yield from _content(text)
    else:
        yield text, kind
    seen.add(said)
    if tail:
        yield tail, "mark"


def _content(text: str) -> Iterator[tuple[str, Kind]]:
    """A text with content in it: "an oil painting of", what it shows, "by Somebody"."""
    head, of, rest = text.partition(" of ")
    if of and rest.strip() and _covers(_words(head), "media"):
        yield head + of, "style"
        text = rest
    maker = MAKER.search(text)
    end = maker.start() if maker else len(text)
    place = 0
    for again in AGAIN.finditer(text, 0, end):
        yield text[place : again.start(2)], "unknown"
        yield again[2], "repeating"
        place = again.end()
    if place < end:
        yield text[place:end], "unknown"
    if maker:
        yield text[end:], "style"


def _kind(text: str, said: Sequence[str]) -> Kind:
    if STYLE.fullmatch(text):
        return "style"
    if said and _covers(said, "boosters"):
        return "booster"
    if said and _covers(said, "media"):
        return "style"
    if said and text.isascii() and not any(READABLE.fullmatch(word) for word in said):
        return "magic"
    return "unknown"


def _covers(words: Sequence[str], name: str) -> bool:
    """Whether words are phrases of a list from end to end, the longest taken first; boosters and small words
    may stand among media, not the other way round."""
    wanted, beside, first = _lists()[name]
    k, hits = 0, 0
    while k < len(words):
        if words[k] not in first:  # where most texts end
            return False
        sizes = range(min(LONGEST, len(words) - k), 0, -1)
        phrases = {n: " ".join(words[k : k + n]) for n in sizes}
        n = next((n for n in sizes if phrases[n] in wanted or phrases[n] in beside), 0)
        if not n:
            return False
        hits += phrases[n] in wanted
        k += n
    return hits > 0


@cache
def _lists() -> dict[str, tuple[frozenset[str], frozenset[str], frozenset[str]]]:
    """For media and boosters: the phrases, what may stand beside them, and the first words of both."""
    lists = {key: frozenset(value) for key, value in tomllib.loads(LISTS.read_text(encoding="utf-8")).items()}
    small = frozenset({"a", "an", "the", "and", "with", "in", "of"})
    both = {
        "media": (lists["media"] | lists["movements"], lists["boosters"] | small),
        "boosters": (lists["boosters"], small),
    }
    return {name: (a, b, frozenset(phrase.split()[0] for phrase in a | b)) for name, (a, b) in both.items()}


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def _weights(pieces: Sequence[str]) -> list[float]:
    """The weight of each piece, from the brackets round it and from `::` behind it."""
    begun: list[int] = []
    factors: dict[int, float] = {}  # by the place of an opening bracket that is closed: what it multiplies by
    closing: set[int] = set()
    for k, piece in enumerate(pieces):
        if k % 2 and piece in "([":
            begun.append(k)
        elif k % 2 and piece in ")]" and begun and pieces[begun[-1]] + piece in ("()", "[]"):
            opened = begun.pop()
            closing.add(k)
            said = pieces[k - 2] if piece == ")" and k >= 2 and not pieces[k - 1] else ""
            factors[opened] = _number(said[1:]) if WEIGHED.fullmatch(said) else UP if piece == ")" else 1 / UP
    weights, stack, behind = [1.0] * len(pieces), [1.0], 0
    for k, piece in enumerate(pieces):
        if k in factors:
            stack.append(stack[-1] * factors[k])
        weights[k] = stack[-1]
        if k in closing:
            stack.pop()
        if k % 2 and piece.startswith("::"):
            factor = _number(piece[2:]) if piece[2:] else 1.0
            weights[behind:k] = [weight * factor for weight in weights[behind:k]]
            behind = k + 1
    return weights


def _number(said: str) -> float:
    if abs(weight := float(said)) > LARGEST:
        raise BadInput(f"the weight {weight:g} in the prompt is outside of -10 to 10")
    return weight
