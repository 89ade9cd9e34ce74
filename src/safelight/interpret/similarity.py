"""Sentences as vectors, to compare a prompt with its interpretation: an encoder that needs no weights.

Idea: words, and three letters at a time, hashed into a bag. Two sentences are near if they say the same words
or words that are spelled alike. Any function from sentences to vectors can stand in its place, such as the
`encode` of a sentence transformer, but never the guarded encoder: in that one a prompt and its interpretation
agree by construction, and nothing would be found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from zlib import crc32

import numpy as np
from jaxtyping import Float

from safelight.core.errors import BadInput

SentenceEncoder = Callable[[Sequence[str]], np.ndarray]
"""Texts to vectors [n, d]."""
NGRAMS = "ngrams@1"
"""The name of the encoder below; another number means other vectors."""
WIDTH = 4096
PROBES = ("a red cat on a mat", "two men talk in a room", "blue", "an old house by the sea at night")


def ngrams(texts: Sequence[str]) -> Float[np.ndarray, "n 4096"]:
    """A bag of words and marks, each with weight 1, and of each word's trigrams, with weight 1 together."""
    bags = np.zeros((len(texts), WIDTH))
    for bag, text in zip(bags, texts, strict=True):
        for word in re.findall(r"\w+|[^\w\s]", unicodedata.normalize("NFKC", text).casefold()):
            bag[_place(word)] += 1
            marked = f"^{word}$"
            parts = [marked[k : k + 3] for k in range(len(marked) - 2)]
            for part in parts:
                bag[_place(part)] += 1 / len(parts)
    return bags


def cosine(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Of each row with its partner, in [-1, 1]. Raises BadInput for a row that is zero or not finite."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    if not (np.isfinite(norms).all() and (norms > 0).all()):
        raise BadInput("the sentence encoder gave a vector that is zero or not finite")
    return np.clip((a * b).sum(1) / norms, -1, 1)


def demand_other(sentences: SentenceEncoder, guarded: SentenceEncoder) -> None:
    """Raises BadInput if a sentence encoder compares texts as the guarded text encoder does: it is that one,
    or a copy."""
    if np.allclose(_angles(sentences), _angles(guarded), atol=1e-3):
        raise BadInput(
            "the sentence encoder is the guarded text encoder, in which a prompt and its interpretation "
            "agree by construction: take another"
        )


def vectors(sentences: SentenceEncoder, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
    """What an encoder says of texts. Raises BadInput unless that is one vector each."""
    made = np.asarray(sentences(texts), dtype=np.float64)
    if made.ndim != 2 or len(made) != len(texts):
        raise BadInput(f"the sentence encoder gave {list(made.shape)} for {len(texts)} texts, not [n, d]")
    return made


def _angles(sentences: SentenceEncoder) -> np.ndarray:
    made = vectors(sentences, PROBES)
    return np.stack([cosine(made, np.roll(made, k, 0)) for k in range(1, len(PROBES))])


def _place(part: str) -> int:
    return crc32(part.encode()) % WIDTH
