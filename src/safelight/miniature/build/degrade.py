"""Training pictures made as imperfect as generated ones, so that a judge's network reads both alike."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

SHIFT = 2  # pixels
NOISE = 0.12  # largest deviation, pictures lie in [-1, 1]
FADE = (0.3, 1.2)
TINT = 0.2


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


def tinted(
    x: Float[Tensor, "b 3 h w"], rng: torch.Generator
) -> tuple[Float[Tensor, "b 3 h w"], Bool[Tensor, " b"]]:
    """Half of the pictures washed out or tinted, as guidance leaves them, and which: their colours are lost.

    Saturation and contrast times a factor in `FADE`, then each channel moved by up to `TINT` either way.
    """
    some = torch.rand(len(x), generator=rng) < 0.5
    shape = (len(x), 1, 1, 1)
    low, high = FADE
    saturation, contrast = (low + (high - low) * torch.rand(shape, generator=rng) for _ in range(2))
    grey = x.mean(1, keepdim=True)
    faded = grey + saturation * (x - grey)
    middle = faded.mean((1, 2, 3), keepdim=True)
    tint = TINT * (2 * torch.rand(len(x), 3, 1, 1, generator=rng) - 1)
    faded = (middle + contrast * (faded - middle) + tint).clamp(-1, 1)
    return torch.where(some[:, None, None, None], faded, x), some
