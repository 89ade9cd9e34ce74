"""Training pictures made as imperfect as generated ones, so that a judge's network reads both alike."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

SHIFT = 2  # pixels
NOISE = 0.12  # largest deviation, pictures lie in [-1, 1]


def blurred(x: Float[Tensor, "b 3 h w"], rng: torch.Generator) -> Float[Tensor, "b 3 h w"]:
    """Half of the pictures, each mixed with its 3 x 3 mean by a random share."""
    share = (torch.rand(len(x), 1, 1, 1, generator=rng) * 2 - 1).clamp(min=0)
    return x.lerp(F.avg_pool2d(F.pad(x, (1, 1, 1, 1), "replicate"), 3, 1), share)


def shifted(x: Float[Tensor, "b 3 h w"], rng: torch.Generator) -> Float[Tensor, "b 3 h w"]:
    """The batch moved by up to `SHIFT` pixels either way; edges repeat."""
    top, left = torch.randint(0, 2 * SHIFT + 1, (2,), generator=rng).tolist()
    wide = F.pad(x, (SHIFT, SHIFT, SHIFT, SHIFT), "replicate")
    return wide[:, :, top : top + x.shape[2], left : left + x.shape[3]]


def noisy(x: Float[Tensor, "b 3 h w"], rng: torch.Generator) -> Float[Tensor, "b 3 h w"]:
    """White noise of a random strength for each picture."""
    strength = NOISE * torch.rand(len(x), 1, 1, 1, generator=rng)
    return x + strength * torch.randn(x.shape, generator=rng)
