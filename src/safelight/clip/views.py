"""Looking closer: a judge of whole pictures overlooks what is small, or outside of CLIP's square."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from math import ceil, isfinite
from operator import itemgetter
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from safelight.core import valid
from safelight.core.nouns import Score
from safelight.core.pictures import unreadable
from safelight.core.ports import Judge, Preset, Reads

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


@dataclass(frozen=True)
class Views:
    """The whole picture, and squares that cover it, `tiles` along its short side.

    overlap: at least this part of a tile's side is seen by its neighbour too, so that nothing small is cut by
        every border; [0, 0.5].
    """

    tiles: int = 2
    overlap: float = 0.25

    def __post_init__(self):
        valid.whole("tiles", self.tiles, 1)
        valid.number("overlap", self.overlap, 0, 0.5)

    def boxes(self, height: int, width: int) -> list[Box]:
        side = ceil(min(height, width) / (self.tiles - (self.tiles - 1) * self.overlap))
        corners = product(self._starts(height, side), self._starts(width, side))
        return list(dict.fromkeys([(0, 0, width, height), *((x, y, side, side) for y, x in corners)]))

    def _starts(self, length: int, side: int) -> list[int]:
        n = ceil((length - side * self.overlap) / (side * (1 - self.overlap)))
        return [round(i * (length - side) / (n - 1)) for i in range(n)] if n > 1 else [0]

    def judge(self, read: Callable[[list[Any]], Sequence[Score]], items: Sequence[Any]) -> list[Score]:
        """For every label the highest value of all views of a picture, and in `boxes` the view that has it. A
        picture of which one view fails has failed.
        """
        return [self._one(read, item) for item in items]

    def _one(self, read: Callable[[list[Any]], Sequence[Score]], item: Any) -> Score:
        if problem := unreadable(item):
            return Score(None, "failed", problem)
        boxes = self.boxes(*item.shape[:2])
        found: dict[str, tuple[float, Box]] = {}
        for box, score in zip(boxes, read([_cut(item, box) for box in boxes]), strict=True):
            if score.values is None:
                return Score(None, "failed", f"in the view {box}: {score.detail}")
            for label, value in score.values.items():
                if not isfinite(value):  # which a maximum might lose
                    return Score(None, "failed", f"in the view {box}: {label} is {value}")
                found[label] = max(found.get(label, (value, box)), (value, box), key=itemgetter(0))
        values = {label: value for label, (value, _) in found.items()}
        return Score(values, boxes=tuple((label, *box, value) for label, (value, box) in found.items()))


def _cut(image: UInt8[np.ndarray, "_ _ 3"], box: Box) -> UInt8[np.ndarray, "_ _ 3"]:
    """A view; tiles are scaled up to the picture's short side, for judges that read one size."""
    x, y, width, height = box
    if (height, width) == image.shape[:2]:
        return image
    short = min(image.shape[:2])
    part = Image.fromarray(image[y : y + height, x : x + width])
    return np.asarray(part.resize((short, short), Image.Resampling.BICUBIC))


class Tiled:
    """Any judge of pictures, asked about each of a picture's views; see `Views`.

    Its thresholds are not those of the judge alone: the highest of several values is higher, for harmless
    pictures too. Calibrate it as it is used.
    """

    labels: tuple[str, ...]
    range: tuple[float, float]
    reads: Reads = "image"
    presets: Mapping[str, Preset]

    def __init__(self, judge: Judge, views: Views = Views()):
        self.judge, self.views = judge, views
        self.name, self.version = f"{judge.name}-tiles-{views.tiles}", judge.version
        self.labels, self.range, self.presets = judge.labels, judge.range, judge.presets
        self.any_model = getattr(judge, "any_model", False)
        self.content_hash = sha256(f"{judge.content_hash} {views}".encode()).hexdigest()

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        return self.views.judge(self.judge, items)
