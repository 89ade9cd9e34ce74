"""What one round of UCE's debiasing changes, in both programs. The equations stand in `debias`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from safelight.core.ports import Backbone
from safelight.training.closed_form import aligned, gram, one_map, projections, solved

if TYPE_CHECKING:
    from safelight.training.debias import Debias


class Accumulated:
    """Recipe "2025": alpha grows from round to round, and the original weights are edited."""

    def __init__(self, how: Debias, model: Backbone):
        self.how, self.original = how, _doubled(model)
        rows = [aligned(model, (text, *others), "2025") for text, others in how.texts]
        self.c = torch.cat([c for c, *_ in rows])
        self.towards = torch.stack([torch.cat(others) for _, *others in rows])  # c_a [texts, attributes, d]
        kept = gram(model, how.preserve_concepts, "2025")
        self.g = solved(self.c, kept, how.lamb, how.erase_scale, how.program.preserve_scale)
        self.alpha = torch.zeros(self.towards.shape[:2], dtype=torch.float64)

    def edit(self, lacking: Float[Tensor, "texts attributes"]) -> dict[str, Tensor]:
        """The weights after one more round; lacking: d_a - r_a, 0 for a text that is done."""
        self.alpha += self.how.program.step * lacking
        return {name: W @ self.map for name, W in self.original.items()}

    @property
    def map(self) -> Float[Tensor, "d d"]:
        """M."""
        return one_map(self.c, self.c + torch.einsum("ta,tad->td", self.alpha, self.towards), self.g)


class Stepwise:
    """Recipe "2023": the weights of now are edited, and texts that are done are preserved."""

    def __init__(self, how: Debias, model: Backbone):
        self.how, self.model, self.weights = how, model, _doubled(model)
        self.rows = [aligned(model, (text, *others), "2023") for text, others in how.texts]
        self.preserved = set(how.preserve_concepts) or {""}  # the program's, where it has no list

    def edit(self, lacking: Float[Tensor, "texts attributes"]) -> dict[str, Tensor]:
        """As of `Accumulated`."""
        how = self.how
        self.preserved |= {text for (text, _), row in zip(how.texts, lacking, strict=True) if not row.any()}
        c = torch.cat([c for c, *_ in self.rows])
        kept = gram(self.model, sorted(self.preserved), "2023")
        g = solved(c, kept, how.lamb, how.erase_scale, how.program.preserve_scale)
        alphas = how.program.step * lacking
        for name, W in self.weights.items():
            moved = [_moved(W, rows, alpha) for rows, alpha in zip(self.rows, alphas, strict=True)]
            self.weights[name] = W + torch.cat(moved).T @ g.T
        return self.weights


def _moved(
    W: Float[Tensor, "out d"], rows: Sequence[Float[Tensor, "k d"]], alpha: Float[Tensor, " attributes"]
) -> Float[Tensor, "k out"]:
    """v - W c, where v's own length grows as attributes are added to it."""
    before = v = rows[0] @ W.T
    for c_a, weight in zip(rows[1:], alpha, strict=True):
        u = c_a @ W.T
        v = v + weight * v.norm() * u / u.norm()
    return v - before


def _doubled(model: Backbone) -> dict[str, Tensor]:
    return {name: W.detach().cpu().double() for name, W in projections(model).items()}
