"""Negative prompt (SD+NEG): the text to avoid takes the place of the empty text in classifier-free guidance.

Idea
    Guidance moves away from the unconditional prediction. Make that the prediction for what is not wanted,
    and it moves away from that. It costs nothing: two rows a step, as without it.

Equations
    e_n, e_p: predictions for the negative text and for the prompt; s_g: guidance scale.
    eps = e_n + s_g (e_p - e_n)         common practice; a baseline of the SLD and SDD papers

Differs
    Published rows of this baseline differ widely (20 to 64 % for one prompt set) because their texts do: one
    word, or a list. So the text is a setting and stands in each picture's report.
    A prompt's own negative text is kept: it stands behind this one.
    At guidance 1 the row would be ignored; diffusers does so silently, here it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from safelight.core.concepts import concept_texts
from safelight.core.method import Method
from safelight.core.nouns import Prompt


@final
@dataclass(frozen=True)
class NegativePrompt(Method):
    """Guides away from a text. Several concepts become one list."""

    paper = "practice; as a baseline in arXiv:2211.05105 and arXiv:2307.05977"

    concept: str | tuple[str, ...] = "sld-19"
    """A known name (`safelight.core.concepts`), free text, or several."""

    def __post_init__(self):
        concept_texts(self.concept)

    def rows(self, p: Prompt) -> Mapping[str, str]:
        return {"uncond": ", ".join([*concept_texts(self.concept), *([p.negative] if p.negative else [])])}

    def check(self, n: int, scale: float) -> list[str]:
        return [] if scale > 1 else [f"guidance is {scale}: a negative prompt acts only above 1"]

    def report(self, state: None, b: int) -> list[dict[str, Any]]:
        """It has no condition: it acts at every step, on every element."""
        said = {"on": True, "steps": "all", "share": 1.0, "concept": list(concept_texts(self.concept))}
        return [dict(said) for _ in range(b)]
