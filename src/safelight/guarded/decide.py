"""Prompts and pictures to decisions. What goes wrong in here is a decision too, and never one that allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from time import perf_counter
from typing import Any, Literal, Protocol

import numpy as np

from safelight.core.hard_stop import hard_stop
from safelight.core.nouns import Decision, Outcome, Prompt, Score
from safelight.judges import ask, fuse
from safelight.policies import Bound, BoundCheck

NOBODY = ""
"""The sample of a decision until it is known which picture it is about."""
HARD_STOP = "hard-stop"


def on_prompt(prompt: Prompt, bound: Bound) -> tuple[Prompt, list[Decision]]:
    """The prompt as the methods left it, and the decisions on it; after a hard stop nobody else reads it.

    The rule holds before the methods and after them: they might write what the user did not. It reads the
    texts that they seek as well.
    """
    sought: list[str] = []
    for method in bound.methods:
        try:
            sought += method.sought
        except Exception as error:  # a method may be anybody's code
            return prompt, [rule(prompt), broken("prompt", "sought", method.name, repr(error))]
    decisions = [rule(prompt, sought)]
    for method in bound.methods:
        if stopped(decisions):
            return prompt, decisions
        try:
            written, said = method.prompt(prompt)
        except Exception as error:
            return prompt, [*decisions, broken("prompt", "prompt", method.name, repr(error))]
        decisions += [*said, *([rule(written, sought)] if written != prompt else [])]
        prompt = written
    checks = [check for check in bound.checks if check.check.stage == "prompt"]
    if stopped(decisions) or not checks:
        return prompt, decisions
    texts = {prompt.text: None}  # in order, each once
    for method in bound.methods:
        try:
            texts |= dict.fromkeys(method.views(prompt))
        except Exception as error:
            return prompt, [*decisions, broken("prompt", "views", method.name, repr(error))]
    return prompt, [*decisions, *(said for check in checks for said in judged(check, list(texts)))]


class Made(Protocol):
    """What came out for a prompt, before anything has judged it; `detail` says why `image` is None."""

    @property
    def image(self) -> np.ndarray | None: ...
    @property
    def detail(self) -> str: ...


def on_images(
    made: Sequence[tuple[Prompt, int, Made]], bound: Bound, maker: str, studio: Any
) -> list[tuple[np.ndarray | None, list[Decision]]]:
    """Pictures [h, w, 3] as the methods' image hooks leave them, and what hooks, then checks decide on each.

    A picture is None, with a decision that blocks, where none came out; then no check sees it.

    Args:
        made: with the prompt and the noise seed of each.
        maker: the name of what made them, for decisions about failures.
        studio: a `Studio`, what the image hooks can regenerate and repair with.
    """
    finished = [_after_methods(*one, bound, maker, studio) for one in made]
    seen = [(image, decisions) for image, decisions in finished if image is not None]
    for check in bound.checks:
        if check.check.stage == "image" and seen:
            said = judged(check, [image for image, _ in seen])
            for (_, decisions), decision in zip(seen, said, strict=True):
                decisions.append(decision)
    return finished


def judged(bound: BoundCheck, items: Sequence[Any]) -> list[Decision]:
    """One decision an item, from one call of the check's judge."""
    check, judge = bound.check, bound.judge
    failed = Decision(
        NOBODY, check.stage, "check", check.judge, check.on_error, "", check.category,
        judge=f"{judge.name}@{judge.version}", status="failed",
    )  # fmt: skip
    begun = perf_counter()
    try:
        verdicts = [_verdict(bound, score, failed) for score in ask(judge, items)]
    except Exception as error:  # a judge may be anybody's code
        verdicts = [replace(failed, reason=f"{judge.name} failed: {error!r}")] * len(items)
    ms = (perf_counter() - begun) * 1000 / len(items)
    return [replace(verdict, ms=ms) for verdict in verdicts]


def rule(prompt: Prompt, sought: Sequence[str] = ()) -> Decision:
    """What the hard stop says; neither the texts nor the words that it found."""
    begun = perf_counter()
    stop = hard_stop(prompt, sought)
    outcome, reason = (Outcome.BLOCK, "no policy allows this") if stop else (Outcome.ALLOW, "does not apply")
    ms = (perf_counter() - begun) * 1000
    return Decision(NOBODY, "prompt", "rule", HARD_STOP, outcome, reason, category=HARD_STOP, ms=ms)


def stopped(decisions: Sequence[Decision]) -> bool:
    """Whether the hard stop is among the decisions."""
    return any(d.method == HARD_STOP and d.outcome is Outcome.BLOCK for d in decisions)


def broken(stage: Literal["prompt", "image"], hook: str, part: str, why: str) -> Decision:
    """The decision about a part that failed."""
    return Decision(NOBODY, stage, hook, part, Outcome.BLOCK, f"{part} failed: {why}", status="failed")


def sound(image: Any) -> bool:
    """Whether this can be judged and shown: uint8 [h, w, 3]."""
    return (
        isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    )


def _after_methods(
    prompt: Prompt, seed: int, made: Made, bound: Bound, maker: str, studio: Any
) -> tuple[np.ndarray | None, list[Decision]]:
    image, decisions, why = made.image, [], made.detail
    if image is not None:
        image, decisions = _hooked(image, prompt, bound, studio.of(seed, image))
        why = "no picture of 8-bit RGB pixels came out"
    return (
        (image, decisions) if sound(image) else (None, [*decisions, broken("image", "generate", maker, why)])
    )


def _hooked(image: Any, prompt: Prompt, bound: Bound, ctx: Any) -> tuple[Any, list[Decision]]:
    decisions: list[Decision] = []
    for method in bound.methods:
        try:
            image, said = method.image(image, prompt, ctx)
        except Exception as error:
            return image, [*decisions, broken("image", "image", method.name, repr(error))]
        decisions += said
    return image, decisions


def _verdict(bound: BoundCheck, score: Score, failed: Decision) -> Decision:
    """`failed`, unless the score is one that can be believed."""
    values, preset, (low, high) = score.values, bound.preset, bound.judge.range
    if values is None:
        return replace(failed, reason=score.detail)
    if not all(low <= values[label] <= high for label in preset.labels):
        return replace(failed, reason=f"{bound.judge.name} left its range [{low:g}, {high:g}]")
    value, category = fuse(values, preset), max(preset.labels, key=lambda label: values[label])
    if not isfinite(value):
        return replace(failed, reason=f"{bound.judge.name}: the preset makes {value} of its values")
    outcome, relation = _outcome(bound, value)
    reason = f"{category} {value:.3f} {relation}"
    return replace(
        failed, outcome=outcome, reason=reason, category=category, score=value,
        threshold=preset.threshold, status="ok",
    )  # fmt: skip


def _outcome(bound: BoundCheck, value: float) -> tuple[Outcome, str]:
    check, threshold = bound.check, bound.preset.threshold
    if value >= threshold:
        return check.action, f"reaches {threshold:g}"
    if check.unsure is not None and value >= check.unsure[0]:
        return Outcome.REVIEW, f"is between {check.unsure[0]:g} and {threshold:g}: a person decides"
    return Outcome.ALLOW, f"is below {threshold:g}"
