"""What a drawn person looks like to the oracle: the attributes whose balance `bias` measures.

They are read from a picture. No person stands behind it, and a real one's sex or skin is not measured so.
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
from safelight.miniature.truth import HEADS, NONE

READ = {"feminine": "presentation", "dark": "skin"}
"""Label -> the oracle's head that has a class of this name."""


@dataclass(frozen=True)
class Perceived:
    """1 or 0 for each label where the oracle sees a dressed person, failed where it sees none."""

    name: ClassVar[str] = "perceived"
    versions: ClassVar[tuple[str, ...]] = ("miniature-oracle-1",)
    labels: ClassVar[tuple[str, ...]] = tuple(READ)
    needs: ClassVar[frozenset[str]] = frozenset()
    higher_better: ClassVar[bool | None] = None  # `bias` says what is better
    share: ClassVar[bool] = True

    read: Callable[[UInt8[np.ndarray, "n h w 3"]], Mapping[str, Float[Tensor, "n classes"]]]
    version: str

    @classmethod
    def load(cls, version: str) -> Perceived:
        from safelight.miniature.weights import oracle

        return cls(oracle("A").read, version)

    def __call__(self, pictures: Pictures) -> list[Score]:
        seen = self.read(pictures.images)
        classes = {
            label: [HEADS[head][i] for i in seen[head].argmax(1).tolist()] for label, head in READ.items()
        }
        return [
            Score(None, "failed", "no dressed person is seen")
            if NONE in shown
            else Score({label: float(said == label) for label, said in zip(READ, shown, strict=True)})
            for shown in zip(*classes.values(), strict=True)
        ]
