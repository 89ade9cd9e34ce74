"""Prompts and pictures to decisions. What goes wrong in here is a decision too, and never one that allows."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any, Literal, Protocol

import numpy as np

from safelight.core.hard_stop import hard_stop
from safelight.core.method import Method
from safelight.core.nouns import Decision, Outcome, Prompt
from safelight.core.records import canonical
from safelight.guarded.judging import NOBODY, judged
from safelight.policies import Bound

HARD_STOP = "hard-stop"


def on_prompt(prompt: Prompt, bound: Bound) -> tuple[Prompt, list[Decision]]:
    """The prompt as the methods left it, and the decisions on it; after a hard stop nobody else reads it.

    The rule holds before the methods and after them: they might write what the user did not. It reads the
    texts that they seek as well.
    """
    sought: list[str] = []
    for method in bound.methods:
        try:
            sought += _texts(method.sought)
        except Exception as error:  # a method may be anybody's code
            return prompt, [rule(prompt), broken("prompt", "sought", method.name, repr(error))]
    decisions = [rule(prompt, sought)]
    for method in bound.methods:
        if stopped(decisions):
            return prompt, decisions
        try:
            written, said = _rewritten(method, prompt)
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
            texts |= dict.fromkeys(_texts(method.views(prompt)))
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
    on_pictures(seen, bound)
    return finished


def on_pictures(seen: Sequence[tuple[np.ndarray, list[Decision]]], bound: Bound) -> None:
    """Adds what the image checks decide to the decisions of each picture [h, w, 3]."""
    for check in bound.checks:
        if check.check.stage == "image" and seen:
            said = judged(check, [image for image, _ in seen])
            for (_, decisions), decision in zip(seen, said, strict=True):
                decisions.append(decision)


def rule(prompt: Prompt, sought: Sequence[str] = ()) -> Decision:
    """What the hard stop says; neither the texts nor the words that it found."""
    begun = perf_counter()
    try:
        stop = hard_stop(prompt, sought)
    except Exception as error:  # its tables cannot be read, perhaps
        return broken("prompt", "rule", HARD_STOP, type(error).__name__)
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
    """Whether this can be judged and shown: uint8 [h, w, 3], with pixels."""
    return (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.size > 0
    )


def _after_methods(
    prompt: Prompt, seed: int, made: Made, bound: Bound, maker: str, studio: Any
) -> tuple[np.ndarray | None, list[Decision]]:
    image, decisions, why = made.image, [], made.detail
    if image is not None:
        image, decisions = _hooked(image, prompt, bound, studio.of(seed, image))
        why = "no picture of 8-bit RGB pixels came out"
    if not sound(image):
        return None, [*decisions, broken("image", "generate", maker, why)]
    own = np.array(image)  # a method that keeps its array cannot change this one behind the checks
    return own, decisions


def _hooked(image: Any, prompt: Prompt, bound: Bound, ctx: Any) -> tuple[Any, list[Decision]]:
    decisions: list[Decision] = []
    for method in bound.methods:
        try:
            image, said = method.image(image, prompt, ctx)
            decisions += _decisions(said)
        except Exception as error:
            return image, [*decisions, broken("image", "image", method.name, repr(error))]
    return image, decisions


def _rewritten(method: Method, prompt: Prompt) -> tuple[Prompt, list[Decision]]:
    written, said = method.prompt(prompt)
    if not isinstance(written, Prompt):
        raise TypeError(f"a {type(written).__name__} is no Prompt")
    return written, _decisions(said)


def _decisions(said: Any) -> list[Decision]:
    """As given, if all are decisions with an outcome, and with nothing in them that cannot be on record."""
    for decision in said:
        if not isinstance(decision, Decision) or decision.outcome not in list(Outcome):
            raise TypeError(f"a {type(decision).__name__} is no decision, or has no known outcome")
        canonical(decision)
    return list(said)


def _texts(given: Any) -> list[str]:
    """As given, if it is a list of texts; one text would be taken for its letters."""
    if isinstance(given, str) or not all(isinstance(text, str) for text in given):
        raise TypeError("several texts were wanted")
    return list(given)
