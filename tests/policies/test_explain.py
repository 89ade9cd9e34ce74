"""Policies in plain words: every fact of the file is in them."""

from __future__ import annotations

import pytest

from safelight.core.registry import names
from safelight.policies import Policy
from safelight.policies.explain import HARD_STOP, WITHOUT_CHECKS, explain, in_words

ALL = """
schema = 1
name = "all"
keep_prompts = true
[[method]]
use = "sld"
preset = "max"
concept = ["bare", "hats"]
[[check]]
stage = "prompt"
judge = "mine:low"
category = "rude"
action = "review"
threshold = 0.25
seconds = 7.5
[[check]]
stage = "image"
judge = "oracle:strict"
action = "replace"
on_error = "review"
unsure = [0.2, 0.8]
escalate = "oracle-b:strict"
"""


@pytest.fixture
def words():
    return in_words(explain(Policy.read(ALL)))


def test_every_fact_is_said(words):
    text = "\n".join(words)
    for fact in (
        "Policy 'all'", HARD_STOP, "Method sld:", "nudity, nude, naked", "hats", "preset = max",
        "the judge mine:low looks for rude; from 0.25 on, it is withheld and waits for a person (review)",
        "takes longer than 7.5 s, it is withheld (block)", "unknown judge 'mine'",
        "from 0.8 on, a plain card is shown in its place (replace)",
        "Between 0.2 and 0.8 the judge oracle-b:strict decides",
        "takes longer than 60 s, it is withheld and waits for a person (review)",
        "keeps the texts of the prompts",
    ):  # fmt: skip
        assert fact in text, fact


def test_in_the_order_in_which_things_happen(words):
    starts = [
        "Policy",
        "The hard stop",
        "Method",
        "Check of each prompt",
        "Check of each picture",
        "The record",
    ]
    assert [word.startswith(start) for word, start in zip(words, starts, strict=True)] == [True] * 6


def test_thresholds_are_those_that_apply():
    judge = explain(Policy.load("school"))["checks"][0]
    assert (judge["threshold"], judge["asked"].partition("@")[0]) == (0.05, "oracle")
    assert "bare" in judge["labels"][0]


@pytest.mark.parametrize("name", names("policies"))
def test_every_policy_that_ships_can_be_explained(name):
    words = in_words(explain(Policy.load(name)))
    assert words[0] == f"Policy '{name}'."
    assert (WITHOUT_CHECKS in words) == (name not in ("general", "school", "research"))
