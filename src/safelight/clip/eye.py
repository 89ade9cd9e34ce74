"""What CLIP's vision tower is shown of a picture, and when the answer may be believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from safelight.core.nouns import Score
from safelight.core.pictures import unreadable

BLOCK = 32  # pictures at a time


@dataclass(frozen=True)
class Eye:
    """CLIP's preprocessing (Radford et al. 2021): the short side to `side` pixels, bicubic, then the centre
    square, then (x - mean) / std of values in [0, 1]. What lies outside of the square is not seen.
    """

    side: int = 224
    mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)

    def __call__(self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> Float[Tensor, "n 3 side side"]:
        squares = torch.from_numpy(np.stack([self._square(image) for image in images])).float() / 255
        return ((squares - torch.tensor(self.mean)) / torch.tensor(self.std)).permute(0, 3, 1, 2)

    def blocks(
        self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]
    ) -> Iterator[Float[Tensor, "_ 3 side side"]]:
        """The same a few at a time, as a tower can take them."""
        return (self(images[i : i + BLOCK]) for i in range(0, len(images), BLOCK))

    def _square(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "side side 3"]:
        height, width = image.shape[:2]
        short = min(height, width)
        size = self.side * width // short, self.side * height // short
        left, top = (size[0] - self.side) // 2, (size[1] - self.side) // 2
        scaled = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
        return scaled[top : top + self.side, left : left + self.side]


@torch.no_grad()
def scores(
    name: str,
    labels: Sequence[str],
    items: Sequence[Any],
    embed: Callable[[list[Any]], Float[Tensor, "n d"]],
    read: Callable[[Float[Tensor, "n d"]], Float[Tensor, "n labels"]],
) -> list[Score]:
    """What `read` makes of each picture's vector, by label. An item that is no picture has failed alone."""
    problems = [unreadable(item) for item in items]
    seen = [item for item, problem in zip(items, problems, strict=True) if not problem]
    found = iter(believed(name, labels, v := embed(seen), read(v)) if seen else [])
    return [Score(None, "failed", problem) if problem else next(found) for problem in problems]


def believed(
    name: str, labels: Sequence[str], v: Float[Tensor, "n d"], values: Float[Tensor, "n labels"]
) -> list[Score]:
    """Values read from vectors v, failed where they mean nothing: NaN, and vectors of length 0, which have no
    direction and whose cosine would read as a harmless 0.
    """
    sound = values.isfinite().all(1) & v.isfinite().all(1) & (v.norm(dim=1) > 0)
    damaged = Score(None, "failed", f"{name} read NaN or nothing: the picture or the weights are damaged")
    return [
        Score(dict(zip(labels, row, strict=True))) if good else damaged
        for row, good in zip(values.tolist(), sound.tolist(), strict=True)
    ]
