"""Training of a judge's head on pictures with labels, the CLIP beneath it frozen.

Pictures are embedded once; what is trained is a few vectors, so a training takes seconds. The loss is binary
cross-entropy with both sides of every label weighing the same, however rare one is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from safelight.clip.heads import Heads, SoftPrompts
from safelight.core.errors import BadInput
from safelight.core.valid import whole
from safelight.store.artifacts import tensor_hash
from safelight.training.fit import Plan

PLAN = Plan(steps=300, lr=1e-2)


@dataclass(eq=False)
class HeadFit:
    """An objective for `fit`. head: `SoftPrompts`, from two texts' embeddings as Q16 starts, or `logistic`.

    x: embeddings of the pictures, as the judge's CLIP gives them. y: which labels each picture has.

    Raises:
        BadInput: pictures and labels do not match, or a label has only one side.
    """

    head: SoftPrompts | Heads
    x: Float[Tensor, "n d"]
    y: Bool[Tensor, "_ labels"]
    batch_size: int = 64

    def __post_init__(self):
        whole("batch_size", self.batch_size, 1)
        if len(self.x) != len(self.y):
            raise BadInput(f"every picture needs its labels, got {len(self.x)} and {len(self.y)}")
        self.rate = self.y.float().mean(0)
        if not ((self.rate > 0) & (self.rate < 1)).all():
            raise BadInput("every label needs pictures that have it and pictures that do not")

    @property
    def config(self) -> Mapping[str, Any]:
        return {
            "head": type(self.head).__name__,
            "pictures": tensor_hash(self.x),
            "labels": tensor_hash(self.y.float()),
            "batch_size": self.batch_size,
        }

    def parameters(self) -> Mapping[str, nn.Parameter]:
        return dict(self.head.named_parameters())

    def batch(self, step: int, rng: Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(self.x), (self.batch_size,), generator=rng)
        return self.x[chosen], self.y[chosen].float()

    def loss(self, batch: tuple[Tensor, Tensor]) -> Mapping[str, Tensor]:
        x, y = batch
        weight = torch.where(y > 0, 0.5 / self.rate, 0.5 / (1 - self.rate))
        return {"loss": binary_cross_entropy_with_logits(self.head(x), y, weight)}

    def after_step(self) -> None:
        pass

    def state_dict(self) -> Mapping[str, Tensor]:
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        pass
