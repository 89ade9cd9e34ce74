"""Attribute accuracy on the miniature: does the picture show what its caption asks for, as the oracle reads
it?
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from safelight.core.nouns import Score
from safelight.metrics import Pictures


@dataclass(frozen=True)
class Accuracy:
    """1 or 0 for each attribute that a caption asks for; attributes it leaves open have no value."""

    name: ClassVar[str] = "accuracy"
    versions: ClassVar[tuple[str, ...]] = ("miniature-oracle-1",)
    labels: ClassVar[tuple[str, ...]] = ("kind", "name", "colour", "count", "relation", "other", "style")
    needs: ClassVar[frozenset[str]] = frozenset({"truths"})
    higher_better: ClassVar[bool | None] = True
    share: ClassVar[bool] = True
    pooled: ClassVar[bool] = True

    read: Callable[[UInt8[np.ndarray, "n h w 3"]], Mapping[str, Float[Tensor, "n classes"]]]
    version: str

    @classmethod
    def load(cls, version: str) -> Accuracy:
        from safelight.miniature.weights import oracle

        return cls(oracle("A").read, version)

    def __call__(self, pictures: Pictures) -> list[Score]:
        seen = {head: p.argmax(1).tolist() for head, p in self.read(pictures.images).items()}
        return [
            Score(
                {
                    head: float(seen[head][i] == wanted)
                    for head, wanted in truth.items()
                    if head in self.labels
                }
            )
            for i, truth in enumerate(pictures.truths)
        ]
