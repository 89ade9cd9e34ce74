"""Which pixels a judgement comes from: centred randomised masking.

Idea
    Hide random parts of the picture and judge what is left. Pixels whose presence goes with a high value are
    where the judgement comes from. Nothing is asked of the judge but values, so it works with any.

Equations
    M_i: s x s cells, each kept with probability p, enlarged bilinearly and cut at a random shift: `masks`.
    I_i = M_i I + (1 - M_i) mean(I); f_i = f(I_i): `saliency`.
    S(x, y) = mean_i (f_i - mean f) (M_i - mean M)(x, y) / var M(x, y): `slope`, what we use.
    S(x, y) = sum_i f_i M_i(x, y) / (N p): `rise`, as published (RISE, arXiv:1806.07421).

Differs
    `rise` is a mean of N values of one sign, so chance in the masks themselves stands in the map until N is
    in the thousands; the regression slope takes both means out and is as good with some hundreds.
    What is hidden gets the picture's mean colour, where RISE paints black: black alone moves CLIP.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from safelight.localise import Value

CELLS = 8
KEEP = 0.5
TOP = 0.2
"""The share of pixels whose agreement between two halves of the masks is the map's stability."""


@dataclass(frozen=True)
class Saliency:
    """map: [h, w], in the value's units a pixel. stability: the overlap, 0 to 1, of the top fifth of two maps
    of half the masks each; below 0.6 the map is not to be trusted."""

    map: Float[Tensor, "h w"]
    stability: float


def saliency(value: Value, image: UInt8[np.ndarray, "h w 3"], n: int, seed: int) -> Saliency:
    """Of one picture, from `n` masked copies of it."""
    M = masks(n, image.shape[0], image.shape[1], torch.Generator().manual_seed(seed))
    f = torch.from_numpy(value([hidden(image, mask.numpy()) for mask in M])).float()
    halves = [slope(f[k::2], M[k::2]) for k in (0, 1)]
    return Saliency(slope(f, M), overlap(*halves))


def masks(n: int, h: int, w: int, rng: Generator) -> Float[Tensor, "n h w"]:
    """M in [0, 1]; 1 keeps the pixel."""
    cell_h, cell_w = -(-h // CELLS), -(-w // CELLS)
    grid = (torch.rand(n, 1, CELLS, CELLS, generator=rng) < KEEP).float()
    size = ((CELLS + 1) * cell_h, (CELLS + 1) * cell_w)
    large = F.interpolate(grid, size=size, mode="bilinear", align_corners=False)[:, 0]
    down = torch.randint(cell_h, (n,), generator=rng).tolist()
    right = torch.randint(cell_w, (n,), generator=rng).tolist()
    return torch.stack([m[y : y + h, x : x + w] for m, y, x in zip(large, down, right, strict=True)])


def hidden(image: UInt8[np.ndarray, "h w 3"], mask: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """The picture where the mask is 1, its mean colour where it is 0."""
    mean = image.reshape(-1, 3).mean(0)
    return (mean + mask[..., None] * (image - mean)).round().astype(np.uint8)


def slope(f: Float[Tensor, " n"], M: Float[Tensor, "n h w"]) -> Float[Tensor, "h w"]:
    centred = M - M.mean(0)
    covariance = ((f - f.mean())[:, None, None] * centred).mean(0)
    return covariance / centred.square().mean(0).clamp_min(torch.finfo(M.dtype).eps)


def rise(f: Float[Tensor, " n"], M: Float[Tensor, "n h w"]) -> Float[Tensor, "h w"]:
    return (f[:, None, None] * M).mean(0) / KEEP


def overlap(a: Float[Tensor, "h w"], b: Float[Tensor, "h w"]) -> float:
    """Intersection over union of the top fifths of two maps."""
    first, second = (m >= m.quantile(1 - TOP) for m in (a, b))
    return float((first & second).sum() / (first | second).sum())
