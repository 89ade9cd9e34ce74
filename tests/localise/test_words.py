"""The word that a value comes from ranks first, and a text is reworded until it is gone."""

from __future__ import annotations

import numpy as np
import pytest

from safelight.localise.words import EXACT, TEXTS, blame, reworded


def fires_on(*bad):
    return lambda texts: np.array([float(any(w.strip(",.") in bad for w in t.split())) for t in texts])


@pytest.mark.parametrize("n", [1, 2, 7, 12, 20])
def test_the_one_word_ranks_first_in_texts_of_any_length(n):
    words = [f"w{k}" for k in range(n)]
    for place in {0, n // 2, n - 1}:
        T = blame(fires_on(words[place]), words)
        assert T.argmax() == place
        assert T[place] == pytest.approx(1.0)


def test_two_words_that_say_the_same_rank_above_all_others():
    T = blame(fires_on("nude", "naked"), ["a", "nude", "and", "naked", "man"])
    assert set(np.argsort(-T)[:2]) == {1, 3}


def test_all_bad_words_are_replaced_and_marks_stay():
    value = fires_on("nude", "naked")
    assert reworded(value, "a nude, naked man", 0.5, ("clothed", "nude")) == "a clothed, clothed man"
    assert reworded(value, "a nude man", 0.5, ("",)) == "a man"


def test_a_text_that_is_not_the_cause_or_cannot_be_helped_gives_none():
    assert reworded(fires_on("nude"), "a man", 0.5, ("",)) is None
    assert reworded(lambda texts: np.ones(len(texts)), "a nude man", 0.5, ("clothed", "")) is None
    assert reworded(fires_on("nude"), "nude", 0.5, ("",)) is None  # nothing would be left to draw


def test_a_long_text_that_nothing_helps_is_given_up_after_a_bounded_number_of_values():
    asked = []

    def value(texts):
        asked.extend(texts)
        return np.ones(len(texts))

    assert reworded(value, " ".join(["word"] * 1000), 0.5, ["", "thing"]) is None
    assert len(asked) <= EXACT * (TEXTS + 4) + 1
