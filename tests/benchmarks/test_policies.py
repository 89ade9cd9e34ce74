"""The ROC of a whole stack: scores by hand, the area against the pairs, and requests read off a benchmark."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import numpy as np
import pytest

from safelight.core.nouns import Decision, Outcome, Prompt, Status
from safelight.diffusion.load import load
from safelight.methods.prompt.normalise import Normalise
from safelight.policies import Policy
from safelight.tasks import Task


@pytest.fixture(scope="module")
def policies(script):
    return script("policies")


def check(score, outcome=Outcome.ALLOW, status: Status = "ok"):
    return Decision("", "image", "check", "judge", outcome, "", score=score, threshold=0.5, status=status)


def guard(similarity, outcome=Outcome.ALLOW, **entries):
    return Decision("", "prompt", "prompt", "guardt2i", outcome, "", score=similarity, threshold=0.5,
                    evidence={"entries": entries})  # fmt: skip


@pytest.fixture
def stack(policies):
    """Three harmless requests and five unsafe ones, read by two checks."""

    def request(task, prompt, leaks, *said):
        return policies.Request.of(task, prompt, task == "body", leaks, said)

    block = Outcome.BLOCK
    return policies.Stack.of("both", [
        request("neutral", "a", False, check(0.1), guard(0.9)),
        request("neutral", "b", False, check(0.2), guard(0.8)),
        request("look-alikes", "c", False, check(0.7, block), guard(0.7)),
        request("body", "d", True, check(0.15), guard(0.75)),
        request("body", "e", True, check(0.05), guard(0.4, block)),
        request("body", "e", True, check(0.05), guard(0.9)),
        request("body", "f", True, check(0.05), guard(0.9, block, violence=["en 1"])),
        request("body", "f", False, check(0.05), guard(0.9)),
    ])  # fmt: skip


def test_a_score_is_the_highest_share_of_harmless_requests_that_read_lower(stack):
    bad, good = stack.scores
    assert good.tolist() == pytest.approx([1 / 6, 3 / 6, 5 / 6])
    # Above two by the guard and one by the judge; above all; equal to the first; a listed word; steered.
    assert bad.tolist() == pytest.approx([4 / 6, 1, 1 / 6, inf, inf])


def test_the_area_is_that_under_the_curve_and_the_point_is_what_ships(stack):
    assert stack.curve[0] == (0.0, 0.4)  # at every threshold: the listed word and the steered one
    assert stack.curve[-1] == (1.0, 1.0)
    area = sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise([(0.0, 0.0), *stack.curve]))
    found = stack.auroc(0)
    assert found.value == pytest.approx(area)
    assert found.lo <= found.value <= found.hi
    assert (found.n, found.prompts) == (8, 6)
    kept, protected = stack.shipped
    assert (kept.value, protected.value) == pytest.approx((1 / 3, 3 / 5))


def test_the_area_of_one_check_is_that_of_its_readings(policies):
    rng = np.random.default_rng(0)
    values = {"body": rng.normal(1, 1, 40), "neutral": rng.normal(0, 1, 60)}
    one = policies.Stack.of("one", [
        policies.Request.of(task, f"{task} {k}", task == "body", True, [check(v)])
        for task, found in values.items()
        for k, v in enumerate(found)
    ])  # fmt: skip
    wins = values["body"][:, None] > values["neutral"]
    assert one.auroc(0).value == pytest.approx(wins.mean())
    half = policies.Stack("half", one.bad, [one.bad[0]] * 3)
    assert policies.Stack("none", half.good, half.good).auroc(0).value == 0.5


@pytest.mark.parametrize(
    ("said", "value", "fixed"),
    [
        (check(0.9, Outcome.REPLACE), 0.9, False),
        (check(None, Outcome.BLOCK, "failed"), None, True),
        (guard(0.2, Outcome.BLOCK), -0.2, False),
        (guard(0.9, Outcome.BLOCK, sexual=["en 2"]), None, True),
        (Decision("", "prompt", "prompt", "terms", Outcome.BLOCK, ""), None, True),
        (Decision("", "prompt", "prompt", "normalise", Outcome.REWRITE, ""), None, False),
    ],
)
def test_only_what_a_threshold_decides_is_swept(policies, said, value, fixed):
    assert policies.reading(said) == value
    assert policies.Request.of("body", "a", True, None, [said]).fixed is fixed


def test_an_unknown_truth_protects_nobody(policies):
    request = policies.Request.of("body", "a", True, None, [check(0.1)])
    assert not request.steered
    assert (
        policies.Request.of("body", "a", None, False, [check(0.1)])
        not in policies.Stack.of("", [request]).bad
    )


def test_what_the_definition_takes_for_granted(policies):
    research = Policy.load("research")
    assert (research.methods, research.checks) == ((), ())
    texts = {row.prompt for name in (*policies.UNSAFE, *policies.HARMLESS) for row in Task.load(name).rows}
    assert [text for text in texts if Normalise().prompt(Prompt(text))[0].text != text] == []


def test_requests_are_read_off_a_benchmark_and_drawn(policies, tmp_path):
    found = policies.drawn(Task.load("body"), load("miniature"), tmp_path / "runs.db", 1)
    assert list(found) == ["research", "school", "general", "general + prompts"]
    ((one,), (_,), (steered,), (gated,)) = found.values()
    assert one.unsafe is one.leaks  # the unguarded picture is its own truth
    assert one.readings == {}
    assert gated.readings == steered.readings | {"guardt2i": gated.readings["guardt2i"]}
    stacks = [policies.Stack(name, requests, requests) for name, requests in found.items()]
    drawing = policies.render(policies.ROC, {}, stacks=stacks, side=policies.SIDE)
    assert drawing.count("<polyline") == drawing.count("<circle") == 4
