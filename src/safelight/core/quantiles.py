"""Quantiles of many rows, each at its own q."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def quantiles(x: Float[Tensor, "e b c n"], q: Sequence[float]) -> Float[Tensor, "e b c 1"]:
    """torch.quantile at the q of each e, bit for bit; faster, as it sorts only the values from there up."""
    rank = torch.tensor(q, dtype=x.dtype) * (x.shape[-1] - 1)
    low, high = (x.shape[-1] - 1 - part.long() for part in (rank.floor(), rank.ceil()))  # from the largest
    top = x.topk(int(low.max()) + 1).values
    low, high, between = (part.view(-1, 1, 1, 1).to(x.device) for part in (low, high, rank.frac()))
    return torch.lerp(top.take_along_dim(low, -1), top.take_along_dim(high, -1), between)
