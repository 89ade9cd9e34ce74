"""Words and trigrams as vectors, and the encoder that must not stand in their place."""

from __future__ import annotations

import numpy as np
import pytest

from safelight.core.errors import BadInput
from safelight.interpret.similarity import cosine, demand_other, ngrams, vectors


def alike(a, b):
    return cosine(ngrams([a]), ngrams([b]))[0]


def test_the_same_words_are_near_and_others_are_far():
    assert alike("A Red CAT, on a mat", "a red cat , on a mat") == pytest.approx(1)
    assert alike("a red cat", "a red cats") > alike("a red cat", "a red dog") > alike("a red cat", "two men")
    assert alike("!!!", "???") < 0.5
    assert alike("кот на столе", "кот на столе") == pytest.approx(1)


def test_vectors_are_the_same_on_every_machine():
    assert [int(k) for k in np.flatnonzero(ngrams(["ab"])[0])] == [58, 1521, 2157]
    assert ngrams(["ab"]).sum() == 2


def test_a_vector_that_says_nothing_is_no_similarity():
    for wrong in (np.zeros((1, 4096)), np.full((1, 4096), np.nan)):
        with pytest.raises(BadInput, match="zero or not finite"):
            cosine(wrong, ngrams(["a"]))
    with pytest.raises(BadInput, match=r"gave \[3\] for 2 texts"):
        vectors(lambda texts: np.zeros(3), ["a", "b"])


def test_the_guarded_encoder_is_refused_and_so_is_a_copy():
    with pytest.raises(BadInput, match="agree by construction"):
        demand_other(ngrams, ngrams)
    with pytest.raises(BadInput, match="take another"):
        demand_other(lambda texts: 2 * ngrams(texts), ngrams)
    demand_other(ngrams, lambda texts: np.array([[len(t), t.count("a") + 1] for t in texts]))
