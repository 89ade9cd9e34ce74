"""Modifiers: what a prompt shows, judged apart from what only changes how it looks.

Idea
    Boosters and styles fill most of a prompt as people write it, and drown the few words that decide. Take
    the prompt apart, let every check read what is left without them as well, and say how much they are.

Equations
    None. The six types are subject, image, style, booster, repeating and magic (Oppenlaender);
    `safelight.core.modifiers` is the parser.
    dilution = words of styles, boosters and repetitions / words

Differs
    The paper sorts by hand what people wrote; the rules and lists here are ours, in English. What they do not
    know is "unknown" and counts as content: a check reads too much rather than too little.
    The prompt itself is never changed. Weights are read; what they do is the model's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import final

from safelight.core.errors import BadInput
from safelight.core.method import Method
from safelight.core.modifiers import content, diluted, parse
from safelight.core.nouns import Decision, Outcome, Prompt


@final
@dataclass(frozen=True)
class Modifiers(Method):
    """Gives checks the content alone, and says so where a prompt is diluted."""

    paper = "arXiv:2204.13988"

    dilution: float = 0.8
    """From this share of modifiers among the words on, in [0, 1], the decision calls the prompt diluted."""

    def __post_init__(self):
        if not 0 <= self.dilution <= 1:
            raise BadInput(f"dilution must be a share from 0 to 1, got {self.dilution}")

    def prompt(self, p: Prompt) -> tuple[Prompt, list[Decision]]:
        begun = perf_counter()
        parts = parse(p.text)
        share = diluted(parts)
        counts = Counter(part.kind for part in parts if part.kind != "mark")
        weights = [part.weight for part in parts]
        evidence = {"parts": dict(counts), "weights": [min(weights, default=1.0), max(weights, default=1.0)]}
        word = "diluted" if share >= self.dilution else "not diluted"
        reason = f"{word}: {share:.0%} of the words are modifiers"
        decision = Decision(
            "", "prompt", "prompt", self.name, Outcome.ALLOW, reason,
            score=share, threshold=self.dilution, evidence=evidence, ms=(perf_counter() - begun) * 1000,
        )  # fmt: skip
        return p, [decision]

    def views(self, p: Prompt) -> Sequence[str]:
        alone = content(parse(p.text))
        return [alone] if alone else []
