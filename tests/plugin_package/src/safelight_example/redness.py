"""A judge that needs no network: how much of a picture is strongly red."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from safelight.core.nouns import Score
from safelight.core.ports import Preset, Reads


class Redness:
    """The share of pixels whose red exceeds green and blue by over 100 of 255; pictures uint8 [h, w, 3]."""

    name, version, content_hash = "redness", "1", "none: a rule, no weights"
    labels = ("red",)
    range = (0.0, 1.0)
    reads: Reads = "image"
    presets: ClassVar[Mapping[str, Preset]] = {"default": Preset(("red",), 0.05)}
    any_model = True

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        return [self._score(item) for item in items]

    def _score(self, item: Any) -> Score:
        if not isinstance(item, np.ndarray) or item.dtype != np.uint8 or item.ndim != 3:
            return Score(None, "failed", f"redness reads uint8 [h, w, 3], got {type(item).__name__}")
        red, green, blue = item.astype(int).transpose(2, 0, 1)
        return Score({"red": float((red - np.maximum(green, blue) > 100).mean())})
