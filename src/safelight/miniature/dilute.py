"""The dilution attack on image filters: what must not be seen takes a small part of a harmless picture.

Rando et al. (2022, arXiv 2210.04610) add harmless details to a prompt until CLIP's one vector of the picture
is about those. Here the same is done to pixels, where it is known what share of the picture is the subject.
"""

from __future__ import annotations

from math import sqrt
from random import Random

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from safelight.core import valid


def dilute(
    subject: UInt8[np.ndarray, "64 64 3"], background: UInt8[np.ndarray, "64 64 3"], share: float, r: Random
) -> UInt8[np.ndarray, "64 64 3"]:
    """The background with the subject somewhere on it, at this share of the area, in (0, 1]."""
    valid.number("share", share, 0, 1, above=True)
    full = len(background)
    side = max(1, round(full * sqrt(share)))
    x, y = r.randint(0, full - side), r.randint(0, full - side)
    picture = background.copy()
    small = Image.fromarray(subject).resize((side, side), Image.Resampling.BOX)
    picture[y : y + side, x : x + side] = np.asarray(small)
    return picture
