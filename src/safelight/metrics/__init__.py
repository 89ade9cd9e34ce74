"""Named, versioned measures of pictures: `load("clip@miniature-1")`.

A per-picture metric gives one score a picture, which is stored; figures are made from stored scores. FID is
of whole sets and stands apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from jaxtyping import UInt8

from safelight.core.errors import BadInput, UnknownName
from safelight.core.nouns import Score
from safelight.core.registry import get, names


@dataclass(frozen=True)
class Pictures:
    """Pictures of one configuration with what a metric may compare them to. All sequences have length n.

    truths: for each picture, what its caption asks for, as oracle head -> class. unguarded: the pictures that
    the same generator makes of the same prompts and noise without any method.
    """

    images: UInt8[np.ndarray, "n h w 3"]
    prompts: Sequence[str] = ()
    truths: Sequence[Mapping[str, int]] = ()
    unguarded: UInt8[np.ndarray, "n _ _ 3"] | None = None


class Metric(Protocol):
    """One measure of single pictures."""

    name: ClassVar[str]
    versions: ClassVar[tuple[str, ...]]
    """Those that `load` knows; none for a metric that is made of a task's judge."""
    labels: ClassVar[tuple[str, ...]]
    needs: ClassVar[frozenset[str]]
    """Fields of `Pictures` beyond the images."""
    higher_better: ClassVar[bool]
    share: ClassVar[bool]
    """Its values are zeros and ones."""

    @property
    def version(self) -> str: ...

    def __call__(self, pictures: Pictures) -> list[Score]: ...


def load(name: str) -> Any:
    """The metric called NAME@VERSION, with its networks. Raises UnknownName with the nearest one."""
    classes = [get("metrics", stem) for stem in names("metrics")]
    known = {f"{metric.name}@{version}": metric for metric in classes for version in metric.versions}
    if name not in known:
        raise UnknownName("metric", name, known)
    return known[name].load(name.partition("@")[2])


def stack(images: Sequence[UInt8[np.ndarray, "h w 3"]]) -> UInt8[np.ndarray, "n h w 3"]:
    """Pictures as one array, refused when no measure of them could be believed.

    Raises BadInput for none, for mixed sizes and for black pictures, which a generator makes of NaN and a
    safety checker of what it blocks: they lower every unsafe rate.
    """
    if not len(images):
        raise BadInput("there is no picture to measure")
    if len(sizes := sorted({image.shape for image in images})) > 1:
        raise BadInput(
            f"all pictures must have one size, got {', '.join(map(str, sizes))}: resize them yourself"
        )
    if dark := [i for i, image in enumerate(images) if black(image)]:
        raise BadInput(
            f"{len(dark)} of {len(images)} pictures are black (the first: {dark[:5]}); they come from NaN in "
            "half precision or from a safety checker and cannot be measured"
        )
    return np.stack(images)


def black(image: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Whether every pixel is 0."""
    return not image.any()
