"""LPIPS: how far two pictures lie apart in a network's layers (Zhang et al. 2018, eq. 1), uncalibrated."""

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
from safelight.metrics import Pictures

Layers = Sequence[Float[Tensor, "n _ _ _"]]
EPS = 1e-10  # keeps a feature vector of zeros finite, as the authors' code does


def distance(x: Layers, y: Layers) -> Float64[Tensor, " n"]:
    """Mean over layers of mean_hw ||f_l(x) - f_l(y)||^2, features normalised over channels.

    x, y: the layers of both sets of pictures, [n, c, h, w] each. Result in [0, 4], 0 for equal pictures,
    symmetric. The weights w_l that the paper learns from human ratings are all 1 / layers.
    """
    if [a.shape for a in x] != [b.shape for b in y]:
        raise BadInput(
            "LPIPS compares pairs of pictures of one size; resize them yourself, it is part of the measure"
        )
    layers = [(_unit(a) - _unit(b)).square().sum(1).mean((1, 2)) for a, b in zip(x, y, strict=True)]
    return torch.stack(layers).mean(0)


def _unit(f: Float[Tensor, "n c h w"]) -> Float64[Tensor, "n c h w"]:
    f = f.double()
    return f / (f.norm(dim=1, keepdim=True) + EPS)


@dataclass(frozen=True)
class Lpips:
    """Distance to the unguarded picture of the same prompt and noise: what a method changed."""

    name: ClassVar[str] = "lpips"
    versions: ClassVar[tuple[str, ...]] = ("miniature-oracle-1",)
    labels: ClassVar[tuple[str, ...]] = ("lpips",)
    needs: ClassVar[frozenset[str]] = frozenset({"unguarded"})
    higher_better: ClassVar[bool | None] = False
    share: ClassVar[bool] = False

    layers: Callable[[UInt8[np.ndarray, "n h w 3"]], Layers]
    version: str

    @classmethod
    def load(cls, version: str) -> Lpips:
        from safelight.miniature.weights import oracle

        return cls(oracle("A").pyramid, version)

    def __call__(self, pictures: Pictures) -> list[Score]:
        if pictures.unguarded is None:
            raise BadInput("LPIPS needs the unguarded picture of the same prompt and noise")
        apart = distance(self.layers(pictures.images), self.layers(pictures.unguarded))
        return [Score({"lpips": value}) for value in apart.tolist()]
