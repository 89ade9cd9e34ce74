"""Guidance towards a text that the prompt does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from safelight.core.errors import BadInput
from safelight.core.method import Method
from safelight.core.nouns import Moment, Prompt


@final
@dataclass(frozen=True)
class Toward(Method):
    """Pulls every picture a little towards a text.

    Idea: predict a third row for the text and add its guidance to the prompt's own.
    Equations: guided = e_0 + s_g (e_p - e_0) + s_t (e_t - e_0).
    Differs: from a longer prompt, whose words compete with the prompt's own; this has a scale of its own.
    """

    text: str = "a clothed person"
    scale: float = 2.0
    """s_t, from 0 up, in units of a difference of two predictions."""

    def __post_init__(self):
        if not 0 <= self.scale < float("inf"):
            raise BadInput(f"scale must be a finite number from 0 up, got {self.scale!r}")

    @property
    def sought(self) -> tuple[str, ...]:
        return (self.text,)

    def rows(self, p: Prompt) -> Mapping[str, str]:
        return {"text": self.text}

    def term(self, here: Moment, raw: Mapping[str, Tensor], state: Any) -> Float[Tensor, "b c h w"]:
        return self.scale * (raw["text"] - raw["uncond"])
