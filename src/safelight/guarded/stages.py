"""The stages that both doors share: prompts to asks, and finished pictures to what may be released."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from safelight.core.errors import BadInput
from safelight.core.nouns import WITHHELD, Decision, Outcome, Prompt, strictest
from safelight.core.records import noise_seed, sample_id
from safelight.guarded import decide
from safelight.guarded.gate import gate
from safelight.guarded.release import Guarded
from safelight.guarded.studio import Studio
from safelight.policies import Bound

Prompts = str | Prompt | Sequence[str | Prompt]


@dataclass(frozen=True)
class Ask:
    """One picture that is wanted. `prompt` is what the methods made of the user's own."""

    sample: str
    user: Prompt
    prompt: Prompt
    row: int
    k: int
    seed: int
    decisions: tuple[Decision, ...]

    @property
    def refused(self) -> bool:
        return strictest(d.outcome for d in self.decisions) in WITHHELD


class Made(decide.Made, Protocol):
    """What came out for an ask, with what the record tells of it."""

    @property
    def reports(self) -> Mapping[str, Mapping[str, Any]]: ...
    @property
    def dropped(self) -> str: ...
    @property
    def ms(self) -> float: ...


def asks(run: str, prompts: Sequence[Prompt], n: int, seed: int, bound: Bound) -> Iterator[Ask]:
    """The n pictures of each prompt, on which the prompt stage decides once."""
    for row, user in enumerate(prompts):
        prompt, decisions = decide.on_prompt(user, bound)
        for k in range(n):
            sample, noise = sample_id(run, "generate", row, k), noise_seed(f"generate/{seed}", row, k)
            yield Ask(sample, user, prompt, row, k, noise, _about(sample, decisions))


def finished(
    asked: Sequence[Ask], made: Mapping[str, Made], bound: Bound, maker: str, studio: Studio
) -> tuple[list[Guarded], list[np.ndarray | None]]:
    """Pictures as they may be released, and their pixels as they were made.

    Args:
        made: by sample, for each ask that was not refused.
        maker: the name of what made them, for decisions about failures.
        studio: what the methods' image hooks can regenerate and repair with.
    """
    going = [ask for ask in asked if ask.sample in made]
    asks_made = [(ask.prompt, ask.seed, made[ask.sample]) for ask in going]
    said = decide.on_images(asks_made, bound, maker, studio)
    after = {ask.sample: about for ask, about in zip(going, said, strict=True)}
    pictures: list[Guarded] = []
    pixels: list[np.ndarray | None] = []
    for ask in asked:
        image, decisions = after.get(ask.sample, (None, []))
        decisions = (*ask.decisions, *decisions)
        pictures.append(_guarded(ask, decisions, image, made.get(ask.sample), bound))
        pixels.append(image)
    return pictures, pixels


def unmade(asked: Sequence[Ask], maker: str, error: Exception) -> list[Guarded]:
    """The asks as pictures that never came to be, because `error` ended their drawing."""
    why = decide.broken("image", "generate", maker, repr(error))
    return [
        Guarded(
            ask.sample, ask.user, ask.row, ask.k, ask.seed, None, Outcome.BLOCK,
            ask.decisions if ask.refused else _about(ask.sample, (*ask.decisions, why)),
        )
        for ask in asked
    ]  # fmt: skip


def prompts_of(prompts: Prompts) -> list[Prompt]:
    """At least one prompt, each with a text."""
    if isinstance(prompts, str | Prompt):
        prompts = [prompts]
    elif not isinstance(prompts, Sequence):
        raise BadInput(f"prompts must be a text or several, got {type(prompts).__name__}")
    asked = [prompt if isinstance(prompt, Prompt) else Prompt(prompt) for prompt in prompts]
    if not asked:
        raise BadInput("there is no prompt: give at least one text")
    if empty := [row for row, prompt in enumerate(asked, 1) if not prompt.text.strip()]:
        raise BadInput(f"prompt {empty[0]} is empty: write what the picture should show")
    return asked


def _guarded(
    ask: Ask,
    decisions: tuple[Decision, ...],
    pixels: np.ndarray | None,
    picture: Made | None,
    bound: Bound,
) -> Guarded:
    image, outcome, decisions = gate(pixels, decisions, bound)
    decisions = _about(ask.sample, decisions)
    guarded = Guarded(ask.sample, ask.user, ask.row, ask.k, ask.seed, image, outcome, decisions)
    if picture is None:
        return guarded
    return replace(guarded, reports=picture.reports, dropped=picture.dropped, ms=picture.ms)


def _about(sample: str, decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    return tuple(replace(decision, sample=sample) for decision in decisions)
