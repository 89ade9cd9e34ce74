"""Tiers: where the first judge is unsure, the second decides, and only there."""

from __future__ import annotations

import pytest

from safelight.core.nouns import Outcome, Score
from safelight.core.ports import Preset
from safelight.guarded.judging import judged
from safelight.policies import Policy
from tests.guarded.faults import Judge, fine
from tests.policies.test_policy import Model

TIERS = """
schema = 1
name = "tiers"
[[check]]
stage = "prompt"
judge = "fast"
action = "{action}"
on_error = "{on_error}"
unsure = [0.2, 0.8]
escalate = "slow:strict"
"""
LENGTHS = {"fast": {"low": 0.1, "edge": 0.2, "middle": 0.5, "top": 0.8}, "slow": {"edge": 0.3, "middle": 0.4}}


def reads(name):
    return Judge(name, "text", lambda items: [Score({"unsafe": LENGTHS[name][item]}) for item in items])


def tiers(action="block", on_error="block"):
    slow = reads("slow")
    slow.presets = {"default": Preset(("unsafe",), 0.9), "strict": Preset(("unsafe",), 0.35)}
    policy = Policy.read(TIERS.format(action=action, on_error=on_error))
    [bound] = policy.bind(Model(), {"fast": reads("fast"), "slow": slow}).checks
    return bound, slow


@pytest.mark.parametrize("action", ["block", "review"])
def test_the_second_judge_decides_on_the_unsure_ones_alone(action):
    bound, slow = tiers(action)
    answer, asked = slow.answer, []
    slow.answer = lambda items: asked.extend(items) or answer(items)
    low, edge, middle, top = judged(bound, ["low", "edge", "middle", "top"])
    assert [d.outcome for d in (low, edge, middle, top)] == ["allow", "allow", action, action]
    assert asked == ["edge", "middle"]
    assert (low.judge, middle.judge, middle.score, middle.threshold) == ("fast@1", "slow@1", 0.4, 0.35)
    assert {d.method for d in (low, edge, middle, top)} == {"fast"}  # the check as the policy names it
    first = {"judge": "fast@1", "category": "unsafe", "score": 0.5, "between": (0.2, 0.8)}
    assert middle.evidence == {"unsure": first}
    assert not low.evidence


def test_a_second_judge_that_fails_is_a_failure_of_those_it_was_asked_about():
    bound, slow = tiers(on_error="review")
    slow.answer = lambda items: fine(items)[1:]
    low, middle, top = judged(bound, ["low", "middle", "top"])
    assert [d.outcome for d in (low, middle, top)] == ["allow", "review", "block"]
    assert (middle.status, middle.score, middle.judge) == ("failed", None, "slow@1")


def test_nobody_asks_the_second_judge_where_the_first_failed():
    bound, slow = tiers()
    bound.judge.answer = lambda items: [Score(None, "failed", "unreadable") for _ in items]  # pyright: ignore
    slow.answer = lambda items: pytest.fail("asked")
    assert judged(bound, ["middle"])[0].outcome is Outcome.BLOCK
