"""Terms: a prompt that holds a word of a list is blocked, or waits for a person.

Idea
    The oldest filter, without its two faults: words are found whole, so that no harmless word around a listed
    one is hit, and however they are spelled, so that no digit, gap or foreign letter hides one.

Equations
    None. `safelight.core.lists` finds the terms.

Differs
    From the usual word list, which matches pieces of words, in the case that they are written in: it blocks
    titles and birds, and misses its own words with a capital.
    Words of the user's negative prompt do not count: that is where one writes what is not wanted.
    Forms of a word other than an English plural stand in the list or are not found. A term in digits alone is
    taken for a number.
    An emoji is read as its name.
    The record names a term by its place in the list, so it keeps no word of a prompt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Literal, final

from safelight.core.errors import BadInput, nearest
from safelight.core.lists import WordList, named, several
from safelight.core.method import Method
from safelight.core.nouns import Decision, Outcome, Prompt

OURS = Path(__file__).with_name("lists")
ACTIONS = ("block", "review")


@final
@dataclass(frozen=True)
class Terms(Method):
    """Word lists by category and language. Files are read once, when the method is made."""

    paper = "practice; a baseline in arXiv:2403.01446"

    lists: str | tuple[str, ...] = ("sexual", "violence", "self-harm")
    """Names of ours, or files: `.toml` of the same form, `.txt` with one term a line."""
    languages: str | tuple[str, ...] = "en"
    """Whose terms count. A harmless word of one language is a term of another: take what users write."""
    allow: str | tuple[str, ...] = ()
    """Phrases in which a term is none, besides those of the lists."""
    action: Literal["block", "review"] = "block"

    def __post_init__(self):
        if self.action not in ACTIONS:
            raise BadInput(f"action = {self.action!r:.80} is unknown. {nearest(self.action, ACTIONS)}")
        if not self.loaded:
            raise BadInput('it has no list: name one, lists = "violence"')

    @cached_property
    def loaded(self) -> tuple[WordList, ...]:
        """The lists, without the languages that were not asked for."""
        return named(self.lists, self.languages, OURS)

    def prompt(self, p: Prompt) -> tuple[Prompt, list[Decision]]:
        """One decision for each list that the text has a term of; one that allows if there is none."""
        begun = perf_counter()
        hits = {words.category: words.found(p.text, several(self.allow)) for words in self.loaded}
        nothing = Decision("", "prompt", "prompt", self.name, Outcome.ALLOW, "no term of the lists")
        said = [
            replace(
                nothing, outcome=Outcome(self.action), category=category, evidence={"entries": entries},
                reason=f"{len(entries)} term(s) of the list {category}",
            )
            for category, entries in hits.items()
            if entries
        ]  # fmt: skip
        ms = (perf_counter() - begun) * 1000
        return p, [replace(decision, ms=ms) for decision in said or [nothing]]
