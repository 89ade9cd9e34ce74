"""Any judge in the place of diffusers' own image filter: `pipe.safety_checker = PipeChecker(judge)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from safelight.core.errors import BadInput
from safelight.core.nouns import Score
from safelight.core.ports import Judge, Preset
from safelight.judges import ask, believed, failed, preset_of

Batch = Tensor | np.ndarray
"""Float [n, 3, h, w] in [-1, 1], or [n, h, w, 3] in [0, 1]; checked where it comes in."""


class PipeChecker:
    """A judge as a pipeline's safety checker: what it finds unsafe or cannot judge comes out black.

    It has the signature of diffusers' `StableDiffusionSafetyChecker`, and differs from it in three ways. It
    looks at the whole pictures and not at CLIP's centre squares of them, so that a judge may look at tiles.
    It fails closed: NaN in a picture, an error of the judge or a value outside of its range is "unsafe". And
    it leaves the pictures that it was given as they are.

    The pipeline calls its `feature_extractor` before this, so it must have one, though nothing of it is read.
    A pipeline's owner can take this off again: `safelight.guard` cannot be gone round, and keeps a record.

    Args:
        judge: of pictures, uint8 [h, w, 3].
        preset: one of the judge's, by name, or one of your own.
    """

    def __init__(self, judge: Judge, preset: str | Preset = "default"):
        self.judge = judge
        self.preset = preset if isinstance(preset, Preset) else preset_of(judge, f"{judge.name}:{preset}")

    def __call__(self, clip_input: Any, images: Batch) -> tuple[Batch, list[bool]]:
        """Pictures, black where they may not be shown, and for each whether that is so.

        images: a tensor in [-1, 1] or an array in [0, 1]: diffusers' pipelines have both.

        Raises:
            BadInput: these are no pictures, so none comes out.
        """
        unsafe = [not self.allows(score) for score in self.scores(images)]
        shown = images.clone() if isinstance(images, Tensor) else images.copy()
        shown[np.flatnonzero(unsafe)] = (
            0  # diffusers does not bring back to [0, 1] what is flagged: 0 is black
        )
        return shown, unsafe

    def scores(self, images: Batch) -> list[Score]:
        """What the judge says of each picture, and why it could not where it has failed."""
        pictures, finite = _bytes(images)
        found = ask(self.judge, pictures)
        return [
            score if good else failed("the picture is not finite")
            for score, good in zip(found, finite, strict=True)
        ]

    def allows(self, score: Score) -> bool:
        """Whether a picture of this score may be shown."""
        if score.values is None:
            return False
        try:
            return believed(self.judge, self.preset, score.values) < self.preset.threshold
        except ValueError:
            return False


def _bytes(images: Batch) -> tuple[list[UInt8[np.ndarray, "h w 3"]], Sequence[bool]]:
    """Pictures as diffusers would save them, and which of them are finite."""
    if (
        isinstance(images, Tensor)
        and images.is_floating_point()
        and images.ndim == 4
        and images.shape[1] == 3
    ):
        floats = (images.detach().float().cpu() / 2 + 0.5).permute(0, 2, 3, 1).numpy()
    elif isinstance(images, np.ndarray) and images.dtype.kind == "f" and images.shape[3:] == (3,):
        floats = images.astype(np.float32)
    else:
        what, shape = getattr(images, "dtype", type(images).__name__), list(getattr(images, "shape", ()))
        raise BadInput(
            "a pipeline's pictures are a float tensor [n, 3, h, w] in [-1, 1] or array [n, h, w, 3] in "
            f"[0, 1], got {what} {shape}"
        )
    finite = [bool(np.isfinite(picture).all()) for picture in floats]
    levels = np.round(np.nan_to_num(floats).clip(0, 1) * 255).astype(np.uint8)
    return list(levels), finite
