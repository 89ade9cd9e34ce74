"""From a map to a region that can be edited, and an edit kept inside of it.

A region is whole (no specks), a little larger than what was found, and ends softly.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageFilter
from torch import Tensor

SMALLEST = 0.01
"""Connected parts of less than this share of the picture are dropped."""
GROW = 0.03
"""How far the rest grows on every side, of the short side."""


def region(found: Float[Tensor, "h w"], share: float) -> Bool[np.ndarray, "h w"]:
    """The `share` of pixels with the highest values, without specks, grown. It may be empty."""
    flat = found.flatten().sort().values  # torch's quantile refuses large pictures
    labels = components(found >= flat[-max(1, round(share * len(flat)))])
    parts, sizes = labels.unique(return_counts=True)
    large = parts[(sizes >= SMALLEST * found.numel()) & (parts > 0)]
    reach = round(GROW * min(found.shape))
    kept = torch.isin(labels, large)[None, None].float()
    return F.max_pool2d(kept, 2 * reach + 1, 1, reach)[0, 0].bool().numpy()


def components(mask: Bool[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """For each pixel of the mask the number of its connected part (corners connect), 0 elsewhere.

    The largest number of a part spreads in it until nothing changes.
    """
    labels = torch.arange(1.0, mask.numel() + 1, dtype=torch.float64).reshape(mask.shape) * mask
    while True:
        spread = F.max_pool2d(labels[None, None], 3, 1, 1)[0, 0] * mask
        if spread.equal(labels):
            return labels
        labels = spread


def within(
    image: UInt8[np.ndarray, "h w 3"],
    edited: UInt8[np.ndarray, "h w 3"],
    where: Bool[np.ndarray, "h w"],
) -> UInt8[np.ndarray, "h w 3"]:
    """`edited` in the region, `image` outside, with an edge that fades out over a few pixels."""
    weight = soft(where)[..., None]
    return (weight * edited + (1 - weight) * image).round().astype(np.uint8)


def soft(where: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """1 in the region, falling to 0 outside of it."""
    sharp = Image.fromarray(np.uint8(255) * where)
    faded = sharp.filter(ImageFilter.GaussianBlur(GROW * min(where.shape) / 2))
    return np.maximum(np.asarray(sharp), np.asarray(faded)) / 255


def blurred(image: UInt8[np.ndarray, "h w 3"], sigma: float) -> UInt8[np.ndarray, "h w 3"]:
    """Gaussian blur; `sigma` in shares of the short side."""
    radius = sigma * min(image.shape[:2])
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))
