"""Commonsense immorality: a head on text embeddings, for a judge that reads pictures (arXiv:2211.05521).

Idea
    Sentences about right and wrong are at hand, labelled pictures are not. A frozen CLIP embeds the
    sentences, a small head learns their labels, and is then asked about pictures in the same space.

Equations
    l = BCE(head(E_t(sentence)), label), dropout of one half before both linear layers: `TextHead.loss`.

Differs
    Batches are drawn with replacement, where the published program goes through the sentences in epochs.
    Weight decay acts on biases as well.
    The published F1 is half of the true one (a factor 1 for 2); nothing here reports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Generator, Tensor, nn

from safelight.core.errors import BadInput
from safelight.judges.immorality import Head
from safelight.training.fit import Plan, fit

PLAN = Plan(steps=1000, lr=2e-3, weight_decay=0.01)
BATCH = 64
DROP = 0.5


class TextHead:
    """The objective: the head's logits on embedded sentences against their labels."""

    def __init__(self, features: Float[Tensor, "n d"], immoral: Bool[Tensor, " n"], seed: int = 0):
        if len(features) != len(immoral) or immoral.all() or not immoral.any():
            raise BadInput(
                f"a label for each sentence, and sentences of both kinds: got {len(features)} sentences and "
                f"{len(immoral)} labels, {int(immoral.sum())} of them immoral"
            )
        self.features, self.immoral = features, immoral
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.head = Head(features.shape[1])

    @property
    def config(self) -> Mapping[str, Any]:
        data = sha256(self.features.numpy().tobytes() + self.immoral.numpy().tobytes())
        return {"method": "immorality", "data": data.hexdigest(), "batch": BATCH, "dropout": DROP}

    def parameters(self) -> Mapping[str, nn.Parameter]:
        return dict(self.head.named_parameters())

    def batch(self, step: int, rng: Generator) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Embeddings, labels, and what dropout keeps before each layer."""
        index = torch.randint(len(self.features), (BATCH,), generator=rng)
        x = self.features[index]
        return x, self.immoral[index].float(), [torch.rand(x.shape, generator=rng) >= DROP for _ in range(2)]

    def loss(self, batch: tuple[Tensor, Tensor, list[Tensor]]) -> Mapping[str, Tensor]:
        x, immoral, kept = batch
        masks = iter(kept)
        logits = self.head(x, lambda h: h * next(masks) / (1 - DROP))
        return {"loss": F.binary_cross_entropy_with_logits(logits, immoral)}

    def after_step(self) -> None:
        pass

    def state_dict(self) -> Mapping[str, Tensor]:
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        pass


def learn(
    features: Float[Tensor, "n d"], immoral: Bool[Tensor, " n"], folder: Path, plan: Plan = PLAN
) -> Head:
    """The head of these sentences: the same for the same embeddings, labels and plan.

    Args:
        features: raw CLIP embeddings of the sentences, float32.
        folder: for the checkpoint; a killed training goes on from there.

    Raises:
        BadInput: labels are missing, or all alike.
    """
    objective = TextHead(features, immoral, plan.seed)
    fit(objective, plan, folder)
    return objective.head.eval().requires_grad_(False)
