"""The pipelines that can be guarded, and how they carry their text. A new family is one more class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from diffusers import (
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
)

from safelight.core.errors import BadInput
from safelight.core.nouns import Cond
from safelight.core.ports import Backbone
from safelight.diffusion.backbones.sd import PARTS, SD


class Family(Protocol):
    """How the pipelines of a family carry their text."""

    @property
    def parts(self) -> set[str]:
        """The components that a pipeline must have."""
        ...

    @property
    def pipelines(self) -> tuple[type, ...]:
        """The classes whose guidance is known to be u + s (p - u), on one batch of (uncond, prompt)."""
        ...

    def backbone(self, pipe: Any) -> Backbone: ...

    def arguments(self, cond: Cond) -> dict[str, Any]:
        """The network's arguments that carry a conditioning, under its names for them."""
        ...

    def encoded(self, given: tuple, change: Callable[[str, Cond], Cond]) -> tuple:
        """What `encode_prompt` gave, with `change(row, cond)` for "prompt" and, if it is there, "uncond"."""
        ...


class StableDiffusion:
    """Stable Diffusion 1 and 2, their inpainting networks with nine channels included."""

    parts = PARTS
    pipelines = (
        StableDiffusionPipeline,
        StableDiffusionImg2ImgPipeline,
        StableDiffusionInpaintPipeline,
        StableDiffusionControlNetPipeline,
    )

    def backbone(self, pipe: Any) -> Backbone:
        return SD(pipe)

    def arguments(self, cond: Cond) -> dict[str, Any]:
        return {"encoder_hidden_states": cond.tokens["text_encoder"]}

    def encoded(self, given: tuple, change: Callable[[str, Cond], Cond]) -> tuple:
        return tuple(
            states if states is None else change(row, Cond({"text_encoder": states})).tokens["text_encoder"]
            for row, states in zip(("prompt", "uncond"), given, strict=True)
        )


FAMILIES: tuple[Family, ...] = (StableDiffusion(),)


def family_of(pipe: Any) -> Family:
    """The family of a pipeline, by the code of its call: a subclass may have a loop of its own.

    Raises BadInput if there is none.
    """
    for family in FAMILIES:
        for known in family.pipelines:
            if isinstance(pipe, known) and type(pipe).__call__ is known.__call__:
                return family
    known = ", ".join(cls.__name__ for family in FAMILIES for cls in family.pipelines)
    raise BadInput(f"{type(pipe).__name__} cannot be guarded: its guidance is not known; known: {known}")
