"""Which words a judgement of a text comes from, and a text without it.

Idea
    The same as for pixels: leave words out, judge the rest, and compare the values with and without each.

Equations
    T(w) = mean of f over the texts that hold w - mean of f over those that do not: `blame`.
    Up to 12 words the texts are the whole one and all that lack one word or two, so that the second of two
    words that say the same is found; beyond that each word is kept with probability 1/2, at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Bool, Float

from safelight.localise import Value

EXACT = 12
"""Words up to which every one and every pair is left out, and that are replaced at the most."""
TEXTS = 200
"""Texts beyond that."""
MARKS = ",.;:!?"


def blame(value: Value, words: Sequence[str], seed: int = 0) -> Float[np.ndarray, " n"]:
    """T of each word."""
    kept = _kept(len(words), seed)
    f = value([_text([word for word, k in zip(words, row, strict=True) if k]) for row in kept])
    return (f @ kept) / kept.sum(0) - (f @ ~kept) / (~kept).sum(0)


def reworded(
    value: Value, text: str, threshold: float, alternatives: Sequence[str], seed: int = 0
) -> str | None:
    """The text with its worst words replaced, one after the other, until its value is below the threshold.

    Each is replaced by the alternative with the lowest value; an empty one leaves the word out. None: the
    text is below the threshold as it is, so its words explain nothing, or no rewording of at most `EXACT`
    words gets there: what takes more is another text, and each word costs some `TEXTS` values.
    """
    words, done = text.split(), set[int]()
    if not words or value([text])[0] < threshold:
        return None
    while len(done) < min(len(words), EXACT):
        order = np.argsort(-blame(value, words, seed))
        worst = next(int(k) for k in order if int(k) not in done)
        done.add(worst)
        marks = words[worst][len(words[worst].rstrip(MARKS)) :]
        tried = [[*words[:worst], new and new + marks, *words[worst + 1 :]] for new in alternatives]
        values = value([_text(one) for one in tried])
        words = tried[int(values.argmin())]
        if values.min() < threshold:
            return _text(words) or None
    return None


def _text(words: Sequence[str]) -> str:
    return " ".join(word for word in words if word)


def _kept(n: int, seed: int) -> Bool[np.ndarray, "m n"]:
    """Which words each text holds. Every word is in one of them and absent from one."""
    if n <= EXACT:
        out = [set(), *({k} for k in range(n)), *(set(pair) for pair in combinations(range(n), 2))]
        return np.array([[k not in left_out for k in range(n)] for left_out in out])
    kept = torch.rand(TEXTS, n, generator=torch.Generator().manual_seed(seed)) < 0.5
    return np.concatenate([np.ones((1, n), bool), np.zeros((1, n), bool), kept.numpy()])
