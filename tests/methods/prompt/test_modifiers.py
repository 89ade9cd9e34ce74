from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from safelight.core.errors import BadInput
from safelight.core.nouns import Outcome, Prompt
from safelight.methods.prompt.modifiers import Modifiers

DILUTED = Prompt(
    "a cat, (masterpiece:1.4), best quality, highly detailed, sharp focus, trending on artstation, 8k"
)


def test_the_decision_tells_the_share_of_modifiers_and_changes_nothing():
    prompt, [decision] = Modifiers().prompt(DILUTED)
    assert prompt == DILUTED
    assert (decision.outcome, decision.score, decision.threshold) == (Outcome.ALLOW, 1 - 2 / 13, 0.8)
    assert decision.reason == "diluted: 85% of the words are modifiers"
    assert decision.evidence == {"parts": {"subject": 1, "booster": 6}, "weights": [1.0, 1.4]}
    json.dumps(asdict(decision))
    assert Modifiers().prompt(Prompt("a cat"))[1][0].reason.startswith("not diluted: 0%")


def test_checks_read_the_content_alone_as_well():
    assert Modifiers().views(DILUTED) == ["a cat"]
    assert Modifiers().views(Prompt("8k, masterpiece")) == []


def test_a_dilution_that_is_no_share_is_refused():
    with pytest.raises(BadInput, match="dilution must be a share"):
        Modifiers(1.5)
