"""Terms to one pattern that finds them however they are spelled: in digits and signs, stretched, with gaps.

Idea: the terms share their beginnings in a tree, and each letter becomes the set of what stands for it. Every
repetition is bounded, so that no text makes the search slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# What stands for a letter, besides the letter itself; nobody tells l and i apart, and * hides a vowel.
LEET = {
    "a": "4@*", "b": "8", "c": "(", "e": "3*", "f": "ſ", "g": "69", "i": "1!|l*", "l": "1|i", "o": "0*",
    "s": "5$ſ", "t": "7+", "u": "*", "z": "2",
}  # fmt: skip
ANY_GAP = "[^a-z0-9]{0,7}"
"""Between two letters of a term may stand whatever is no letter and no digit, a space as well."""
TIGHT_GAP = r"(?:[^\w\s]|_){0,3}"
"""The same without spaces: two words are never read as one."""
SPACE = r"[\W_]{0,7}"
"""For a space of a term, where only tight gaps count inside of its words."""
RUN = re.compile(r"(.)\1{3,}", re.DOTALL)
MARKS = re.compile(r"[\W_]{8,}")


def shortened(plain: str) -> str:
    """A folded text whose long runs are cut to what patterns can cross. Longer runs tell nothing."""
    return MARKS.sub(lambda run: run[0][:3] + run[0][-3:], RUN.sub(r"\1\1\1", plain))


def alternatives(terms: Iterable[str], gap: str = ANY_GAP) -> str:
    """The source of a pattern for folded terms, in the singular or the plural, in texts that are `shortened`.

    A space in a term stands for any gap or none.
    """
    tree: dict[str, dict] = {}
    for term in terms:
        node = tree
        for c in term:
            node = node.setdefault(c, {})
        node[""] = {}
    return _branches(tree, gap)


def whole(pattern: str, letter: str = "[a-z]") -> re.Pattern[str]:
    """The pattern where no letter touches what it finds."""
    return re.compile(f"(?<!{letter})(?:{pattern})(?!{letter})")


def _branches(node: dict[str, dict], gap: str, before: str = "") -> str:
    """What may follow in the tree, after a gap like `before`; at the end of a term its plural."""
    ways = [
        SPACE + _branches(below, gap) if c == " " else before + _letter(c) + _branches(below, gap, gap)
        for c, below in node.items()
        if c
    ]
    if "" in node:
        ways.append(f"(?:{gap}[e3]?[s5$z])?")
    return ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"


def _letter(c: str) -> str:
    """A letter in any of its spellings, up to three times; a look-alike stands once, as a digit is no run."""
    letter = f"{re.escape(c)}{{1,3}}"
    return f"(?:{letter}|[{LEET[c]}])" if c in LEET else letter
