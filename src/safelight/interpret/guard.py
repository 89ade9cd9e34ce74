"""GuardT2I's two checks on what the text encoder makes of a prompt.

Equations (arXiv:2403.01446, Algorithm 1): p_I = cLLM(tau(p)). A listed word in p_I rejects; so does
Sim(p, p_I) < s. For curves the released program has score = Sim(p, p_I) - 0.6 [a word is listed].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from safelight.core.errors import BadInput
from safelight.core.hard_stop import forbidden
from safelight.core.intervals import wilson
from safelight.core.lists import WordList
from safelight.core.valid import number
from safelight.interpret.decoder import Decoder, greedy
from safelight.interpret.encoder import Encoder, Windows
from safelight.interpret.similarity import SentenceEncoder, cosine, demand_other, ngrams, vectors

LISTED = 0.6
"""What a listed word takes from the score, as released."""
BLOCK = 64
"""Windows that are decoded at once."""


@dataclass(frozen=True)
class Reading:
    """One window of a prompt and what it means to the image model.

    similarity: cosine in [-1, 1]; -1 where nothing came out. entries: by category, the places in its list of
    the terms that were found. An interpretation for which the hard stop holds is kept nowhere.
    """

    text: str
    interpretation: str
    similarity: float
    entries: dict[str, list[str]] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """Higher is more benign."""
        return self.similarity - LISTED * bool(self.entries)

    def accepted(self, s: float) -> bool:
        return bool(self.interpretation) and not self.entries and self.similarity >= s

    def why(self, s: float) -> str:
        """The verdict in plain words, without a word of the prompt."""
        if self.entries:
            return f"what the image model reads holds a term of the list {', '.join(self.entries)}"
        if not self.interpretation:
            return "the text encoder's states could not be put into words"
        relation, verb = ("below", "does not mean") if self.similarity < s else ("not below", "means")
        return f"the prompt {verb} what it says: similarity {self.similarity:.2f} is {relation} {s:.2f}"


NOTHING = Reading("", "", 1.0)
"""Of a text without a token: the image model reads nothing."""


@dataclass(frozen=True)
class Calibration:
    """A threshold s at which `rejected` of `n` normal prompts are rejected; `lo` and `hi` are the 95 %
    interval of that share (Wilson)."""

    threshold: float
    n: int
    rejected: int
    lo: float
    hi: float
    target: float


@dataclass(frozen=True)
class Guard:
    """An encoder, the decoder that was trained for it, and what the interpretation is held against.

    Raises:
        BadInput: the decoder does not fit the encoder, or the sentence encoder is the guarded one.
    """

    encoder: Encoder
    decoder: Decoder
    sentences: SentenceEncoder = ngrams
    words: tuple[WordList, ...] = ()

    def __post_init__(self):
        demand_other(self.sentences, self._guarded)

    def worst(self, prompts: Sequence[str]) -> list[Reading]:
        """Of each prompt the window that is most suspicious: one that is rejected rejects the prompt.

        Raises:
            BadInput: states, logits or vectors are not finite, or not of the right size.
        """
        readings: dict[int, list[Reading]] = {k: [] for k in range(len(prompts))}
        windows = self.encoder.windows(prompts)
        told = [k for k, length in enumerate(windows.lengths) if length > self.encoder.special]
        for a in range(0, len(told), BLOCK):
            part = told[a : a + BLOCK]
            for k, reading in zip(part, self._read(windows, part), strict=True):
                readings[windows.owners[k]].append(reading)
        return [min(found, key=_rank, default=NOTHING) for found in readings.values()]

    def calibrate(self, normal: Sequence[str], target: float = 0.05) -> Calibration:
        """The highest threshold at which no more than a share `target` of normal prompts is rejected, if the
        words listed in them allow it. Normal prompts are such as users write, and unseen in training.

        Raises:
            BadInput: there are too few to tell, one is empty, or the target is no share.
        """
        number("target", target, 0, 1, above=True)
        if len(normal) * target < 1 or not all(text.strip() for text in normal):
            raise BadInput(f"calibration at {target:g} needs at least {1 / target:.0f} prompts, none empty; "
                           f"got {len(normal)}")  # fmt: skip
        readings = self.worst(normal)
        near = sorted(r.similarity for r in readings if r.interpretation and not r.entries)
        flagged = len(readings) - len(near)
        spare = max(0, int(target * len(readings)) - flagged)
        s = near[min(spare, len(near) - 1)] if near else 1.0
        rejected = sum(not reading.accepted(s) for reading in readings)
        return Calibration(s, len(readings), rejected, *wilson(rejected, len(readings)), target)

    def _read(self, windows: Windows, part: Sequence[int]) -> list[Reading]:
        chosen = windows.chosen(part)
        states = self.encoder.states(chosen, self.decoder.shape.conditioning)
        said = greedy(self.decoder, states, self.encoder.start, self.encoder.end, chosen.lengths)
        meant = [self.encoder.decode(ids) for ids in said]
        clear = [k for k, text in enumerate(meant) if text]
        similar = dict.fromkeys(range(len(meant)), -1.0)
        if clear:
            pair = (vectors(self.sentences, [texts[k] for k in clear]) for texts in (chosen.texts, meant))
            similar |= zip(clear, cosine(*pair).tolist(), strict=True)
        return [
            Reading(text, "", -1.0, {"hard-stop": ["rule"]})
            if forbidden(meant[k])
            else Reading(text, meant[k], similar[k], self._listed(meant[k]))
            for k, text in enumerate(chosen.texts)
        ]

    def _listed(self, text: str) -> dict[str, list[str]]:
        found = {words.category: words.found(text) for words in self.words}
        return {category: entries for category, entries in found.items() if entries}

    def _guarded(self, texts: Sequence[str]) -> np.ndarray:
        """The guarded encoder as a sentence encoder: what must not stand in its place."""
        states = self.encoder.states(self.encoder.windows(texts), self.decoder.shape.conditioning)
        return states.flatten(1).cpu().numpy()


def _rank(reading: Reading) -> tuple[bool, bool, float]:
    """The lower the more suspicious. A listed word rejects by itself, so it comes before any similarity."""
    return bool(reading.interpretation), not reading.entries, reading.score
