"""Normalise: a prompt without hidden characters, look-alikes and disguised letters.

Idea
    One foreign letter in an English prompt moves pictures towards the culture of its script, and hides a word
    from every check that reads text. Take out what is hidden, put Latin letters back where a Latin word was
    meant, and let real words of other languages be.

Equations
    None. The rules stand in `safelight.core.plain`: `clean` for the text that the model draws, `skeleton` for
    the text that prompt checks read besides it. Look-alikes are those of Unicode TR39.

Differs
    From NFKC alone, which maps no Cyrillic, Greek or Armenian look-alike, and which rewrites real Chinese and
    Japanese punctuation: only forms of Latin letters and digits are mapped here.
    From a TR39 skeleton of the whole text, which rewrites real Russian and Greek words.
    A Latin letter with a mark, such as o with a dot below, is a letter of real languages: it is drawn as it
    is, and only what checks read loses the mark.
    Flags of tag characters (England, Scotland, Wales) become a plain black flag.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal, final

from safelight.core.errors import BadInput, nearest
from safelight.core.lookalike import script
from safelight.core.method import Method
from safelight.core.nouns import Decision, Outcome, Prompt
from safelight.core.plain import Change, clean, skeleton

OUTCOMES = {"normalise": Outcome.REWRITE, "report": Outcome.ALLOW, "reject": Outcome.BLOCK}
LISTED = 20
"""So many changed characters stand in a decision's evidence; all are counted."""


@final
@dataclass(frozen=True)
class Normalise(Method):
    """Cleans the prompt and the user's negative prompt."""

    paper = "practice; against arXiv:2209.08891, with Unicode TR39"

    mode: Literal["normalise", "report", "reject"] = "normalise"
    """report: the text stays as it is, the decision says what is in it. reject: such a text is blocked."""

    def __post_init__(self):
        if self.mode not in OUTCOMES:
            raise BadInput(f"mode = {self.mode!r:.80} is unknown. {nearest(self.mode, OUTCOMES)}")

    def prompt(self, p: Prompt) -> tuple[Prompt, list[Decision]]:
        begun = perf_counter()
        text, changes = clean(p.text)
        negative, more = clean(p.negative)
        if not changes + more:
            return p, []
        counts = Counter(change.why for change in changes + more)
        evidence = {"text": _listed(changes), "negative": _listed(more), "counts": dict(counts)}
        reason = "characters that hide or disguise: " + ", ".join(f"{n} {why}" for why, n in counts.items())
        ms = (perf_counter() - begun) * 1000
        decision = Decision(
            "", "prompt", "prompt", self.name, OUTCOMES[self.mode], reason, evidence=evidence, ms=ms
        )
        return (Prompt(text, negative) if self.mode == "normalise" else p), [decision]

    def views(self, p: Prompt) -> Sequence[str]:
        return [skeleton(p.text)]


def _listed(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The first changes as plain data: code points and names, no words."""
    return [
        {
            "offset": change.offset,
            "character": f"U+{ord(change.was):04X}",
            "name": unicodedata.name(change.was, ""),
            "script": script(change.was),
            "now": change.now,
            "why": change.why,
        }
        for change in changes[:LISTED]
    ]
