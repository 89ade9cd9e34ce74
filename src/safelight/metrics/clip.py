"""CLIP score: how well a picture fits its caption (Hessel et al. 2021), as the plain cosine in [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from safelight.core.errors import BadInput
from safelight.core.nouns import Score
from safelight.judges import failed
from safelight.metrics import Pictures

HUB = ("openai/clip-vit-large-patch14", "openai/clip-vit-base-patch32")
"""Backbones on the hub: papers on erasure take the first (SDD) or the second (MACE)."""


def cosines(x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]) -> Float64[Tensor, " n"]:
    """Cosine of row i of x with row i of y. Others report 100 times this, or 2.5 max(cosine, 0)."""
    return torch.cosine_similarity(x.double(), y.double(), dim=1)


def mean_of_batch_means(values: Float[Tensor, " n"], batch: int) -> float:
    """The mean as SDD's script takes it, in which a short last batch weighs too much.

    Only for reproducing published tables (at 30,000 pictures the error is below 1e-4); ours is over pictures.
    """
    return torch.stack([part.mean() for part in values.split(batch)]).mean().item()


@dataclass(frozen=True)
class Clip:
    """Cosine between the embeddings of a picture and of its own caption."""

    name: ClassVar[str] = "clip"
    versions: ClassVar[tuple[str, ...]] = ("miniature-1", *HUB)
    labels: ClassVar[tuple[str, ...]] = ("clip",)
    needs: ClassVar[frozenset[str]] = frozenset({"prompts"})
    higher_better: ClassVar[bool | None] = True
    share: ClassVar[bool] = False

    images: Callable[[UInt8[np.ndarray, "n h w 3"]], Float[Tensor, "n d"]]
    texts: Callable[[Sequence[str]], Float[Tensor, "n d"]]
    version: str

    @classmethod
    def load(cls, version: str) -> Clip:
        """Raises BadInput for a backbone that is not in the hub's cache; with the command that fetches it."""
        if version in HUB:
            from safelight.clip.towers import load

            tower = load(version)
            return cls(lambda images: tower.images(list(images)), tower.texts, version)
        from safelight.miniature.weights import clip

        net = clip()
        return cls(net.images, net.texts, version)

    def __call__(self, pictures: Pictures) -> list[Score]:
        """A caption that a backbone from the hub cannot read to its end fails."""
        seen = self.images(pictures.images)
        try:
            fit = cosines(seen, self.texts(pictures.prompts))
        except BadInput:
            return [self._alone(x, prompt) for x, prompt in zip(seen, pictures.prompts, strict=True)]
        return [Score({"clip": value}) for value in fit.tolist()]

    def _alone(self, seen: Float[Tensor, " d"], prompt: str) -> Score:
        try:
            return Score({"clip": cosines(seen[None], self.texts([prompt])).item()})
        except BadInput as error:
            return failed(str(error))
