"""Prompt checks judge the prompt and every reading of it that a method offers."""

from __future__ import annotations

from dataclasses import dataclass

from safelight.core.method import Method
from safelight.core.nouns import Outcome, Prompt, Score
from safelight.core.ports import Preset
from safelight.guarded import generate
from safelight.guarded.decide import on_prompt
from safelight.policies import Bound, BoundCheck, Check, Policy
from tests.guarded.conftest import Brightness

READS = """
schema = 1
name = "reads"
[[method]]
use = "normalise"
[[method]]
use = "modifiers"
[[check]]
stage = "prompt"
judge = "short"
action = "block"
"""


class Short(Brightness):
    """A judge of texts: 1 for the text "a boat" and 0 for any other."""

    def __init__(self):
        super().__init__(
            "short", labels=("short",), reads="text", presets={"default": Preset(("short",), 0.5)}
        )

    def __call__(self, items):
        self.seen += items
        return [Score({"short": float(text == "a boat")}) for text in items]


def outcomes(prompt, tiny_model):
    judge = Short()
    [picture] = generate(prompt, tiny_model, Policy.read(READS), steps=1, judges={"short": judge}).pictures
    return picture.outcome, judge.seen


def test_a_check_reads_the_prompt_and_its_other_readings_once_each(tiny_model):
    assert outcomes("a car", tiny_model) == (Outcome.ALLOW, ["a car"])
    assert outcomes("a c4r, 8k", tiny_model) == (Outcome.ALLOW, ["a c4r, 8k", "a car, 8k", "a c4r"])


def test_the_strictest_reading_decides(tiny_model):
    assert outcomes("a bоat", tiny_model) == (Outcome.BLOCK, ["a boat"])  # cleaned before any check reads it
    outcome, seen = outcomes("a boat, masterpiece, 8k", tiny_model)
    assert (outcome, seen) == (Outcome.BLOCK, ["a boat, masterpiece, 8k", "a boat"])


def test_a_prompt_that_was_only_cleaned_is_rewritten_and_released(tiny_model):
    [picture] = generate("a cаr", tiny_model, Policy.read(READS), steps=1, judges={"short": Short()}).pictures
    assert (picture.outcome, picture.prompt.text) == (Outcome.REWRITE, "a cаr")
    assert picture.image is not None


@dataclass(frozen=True)
class Blind(Method):
    def views(self, p):
        raise RuntimeError("cannot read")


def test_a_reading_that_fails_blocks():
    judge = Short()
    check = BoundCheck(Check("prompt", "short", Outcome.BLOCK), judge, judge.presets["default"], "0")
    _, decisions = on_prompt(Prompt("a car"), Bound(Policy("blind"), (Blind(),), (check,)))
    assert [(d.outcome, d.status, d.hook) for d in decisions[1:]] == [(Outcome.BLOCK, "failed", "views")]
    assert judge.seen == []
