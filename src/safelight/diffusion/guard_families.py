"""The pipelines that can be guarded, and how they carry their text. A new family is one more class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import diffusers
import torch
from torch import Tensor

from safelight.core.errors import BadInput
from safelight.core.nouns import Cond
from safelight.core.ports import Backbone
from safelight.diffusion.backbones import sd, sdxl


class Family(Protocol):
    """How the pipelines of a family carry their text."""

    @property
    def parts(self) -> set[str]:
        """The components that a pipeline must have."""
        ...

    @property
    def pipelines(self) -> tuple[str, ...]:
        """Diffusers classes whose guidance is known to be u + s (p - u), on one batch of (uncond, prompt);
        by name, because to import them all takes seconds.
        """
        ...

    def backbone(self, pipe: Any) -> Backbone: ...

    def arguments(self, cond: Cond) -> dict[str, Any]:
        """The network's arguments that carry a conditioning, under its names for them."""
        ...

    def texts(self, kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """Those of the network's arguments, one after the other."""
        ...

    def encoded(self, pipe: Any, given: tuple, change: Callable[[str, Cond], Cond]) -> tuple:
        """What `encode_prompt` gave, with `change(row, cond)` for "prompt" and, if it is there, "uncond"."""
        ...

    def emptied(self, pipe: Any, cond: Cond, texts: Sequence[str]) -> Cond:
        """The conditioning of texts, with what the model knows an empty one by in the place of those."""
        ...


class StableDiffusion:
    """Stable Diffusion 1 and 2, their inpainting networks with nine channels included."""

    parts = sd.PARTS
    pipelines = (
        "StableDiffusionPipeline",
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        "StableDiffusionControlNetPipeline",
    )

    def backbone(self, pipe: Any) -> Backbone:
        return sd.SD(pipe)

    def arguments(self, cond: Cond) -> dict[str, Any]:
        return {"encoder_hidden_states": cond.tokens["text_encoder"]}

    def texts(self, kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        return (kwargs["encoder_hidden_states"],)

    def encoded(self, pipe: Any, given: tuple, change: Callable[[str, Cond], Cond]) -> tuple:
        return tuple(
            states if states is None else change(row, Cond({"text_encoder": states})).tokens["text_encoder"]
            for row, states in zip(("prompt", "uncond"), given, strict=True)
        )

    def emptied(self, pipe: Any, cond: Cond, texts: Sequence[str]) -> Cond:
        return cond


class StableDiffusionXL:
    """SDXL's base. The sizes that its network sees are no text: the methods' rows get the prompt's."""

    parts = sdxl.PARTS
    pipelines = (
        "StableDiffusionXLPipeline",
        "StableDiffusionXLImg2ImgPipeline",
        "StableDiffusionXLInpaintPipeline",
    )

    def backbone(self, pipe: Any) -> Backbone:
        return sdxl.SDXL(pipe)

    def arguments(self, cond: Cond) -> dict[str, Any]:
        states = torch.cat([cond.tokens["text_encoder"], cond.tokens["text_encoder_2"]], dim=-1)
        pooled = {"text_embeds": cond.pooled["text_encoder_2"]}
        return {"encoder_hidden_states": states, "added_cond_kwargs": pooled}

    def texts(self, kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        return kwargs["encoder_hidden_states"], kwargs["added_cond_kwargs"]["text_embeds"]

    def encoded(self, pipe: Any, given: tuple, change: Callable[[str, Cond], Cond]) -> tuple:
        first = pipe.text_encoder.config.hidden_size

        def changed(row: str, states: Tensor | None, pooled: Tensor | None) -> tuple:
            if states is None or pooled is None:
                return states, pooled
            tokens = {"text_encoder": states[..., :first], "text_encoder_2": states[..., first:]}
            return self.texts(self.arguments(change(row, Cond(tokens, {"text_encoder_2": pooled}))))

        states, no_states, pooled, no_pooled = given
        states, pooled = changed("prompt", states, pooled)
        no_states, no_pooled = changed("uncond", no_states, no_pooled)
        return states, no_states, pooled, no_pooled

    def emptied(self, pipe: Any, cond: Cond, texts: Sequence[str]) -> Cond:
        return sdxl.SDXL(pipe).emptied(cond, texts)


FAMILIES: tuple[Family, ...] = (StableDiffusion(), StableDiffusionXL())


def family_of(pipe: Any) -> Family:
    """The family of a pipeline, by the code of its call: a subclass may have a loop of its own.

    Raises BadInput if there is none.
    """
    for family in FAMILIES:
        for cls in type(pipe).__mro__:
            known = cls.__name__ in family.pipelines and cls is getattr(diffusers, cls.__name__)
            if known and type(pipe).__call__ is cls.__call__:
                return family
    known = ", ".join(name for family in FAMILIES for name in family.pipelines)
    raise BadInput(
        f"{type(pipe).__name__} cannot be guarded: its guidance is not known; known: {known}. "
        "Others, SD3 and Flux among them, run in safelight's own loop: safelight.generate(prompt, model=pipe)"
    )
