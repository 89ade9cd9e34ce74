"""Named, versioned measures of pictures: `load("clip@miniature-1")`.

A per-picture metric gives one score a picture, which is stored; figures are made from stored scores. One
with several labels may say `pooled = True`: then the values of all of them together are a figure too. A
`Distance` compares whole sets by their features. Everything else here is a function from stored scores,
labels or embeddings to figures.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float64, UInt8

from safelight.core.errors import BadInput, UnknownName
from safelight.core.intervals import Figure
from safelight.core.nouns import Score
from safelight.core.registry import get, names
from safelight.judges import blank

Features = Callable[[UInt8[np.ndarray, "n h w 3"]], Float[np.ndarray, "n d"]]
"""A network that turns pictures into vectors. Resizing is its own business and part of its name."""


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
    higher_better: ClassVar[bool | None]
    """None where neither more nor less is."""
    share: ClassVar[bool]
    """Its values are zeros and ones."""

    @property
    def version(self) -> str: ...

    def __call__(self, pictures: Pictures) -> list[Score]: ...


@runtime_checkable
class Distance(Protocol):
    """One measure of a whole set of pictures against a reference set, by the features of both."""

    name: ClassVar[str]
    versions: ClassVar[tuple[str, ...]]
    labels: ClassVar[tuple[str, ...]]
    """Those that `figures` may give."""
    higher_better: ClassVar[bool]

    @property
    def version(self) -> str: ...

    @property
    def features(self) -> Features: ...

    def figures(
        self, reference: Float[np.ndarray, "m d"], x: Float[np.ndarray, "n d"]
    ) -> Iterator[tuple[str, Figure]]:
        """Labels and figures of the pictures with features x; one labelled like the metric is the metric."""
        ...


def load(name: str) -> Any:
    """The metric called NAME@VERSION, with its networks. Raises UnknownName with the nearest one.

    Functions of scores that are stored already have no versions and are not loaded.
    """
    found = [get("metrics", stem) for stem in names("metrics")]
    known = {f"{metric.name}@{v}": metric for metric in found for v in getattr(metric, "versions", ())}
    if name not in known:
        raise UnknownName("metric", name, known)
    return known[name].load(name.partition("@")[2])


def stack(images: Sequence[UInt8[np.ndarray, "h w 3"]]) -> UInt8[np.ndarray, "n h w 3"]:
    """Pictures as one array, refused when no measure of them could be believed.

    Raises BadInput for none, for mixed sizes and for blank pictures (see `safelight.judges.blank`).
    """
    if not len(images):
        raise BadInput("there is no picture to measure")
    if len(sizes := sorted({image.shape for image in images})) > 1:
        raise BadInput(
            f"all pictures must have one size, got {', '.join(map(str, sizes))}: resize them yourself"
        )
    if empty := [i for i, image in enumerate(images) if blank(image)]:
        raise BadInput(
            f"{len(empty)} of {len(images)} pictures are blank (the first: {empty[:5]}): one single "
            "colour comes from NaN in half precision or from a safety checker and cannot be measured"
        )
    return np.stack(images)


def finite(features: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    """The features in float64. Raises BadInput for none, and for NaN or infinite ones."""
    x = np.asarray(features, dtype=np.float64)
    if len(x) == 0:
        raise BadInput("there is no picture to measure")
    if wild := int((~np.isfinite(x).all(1)).sum()):
        raise BadInput(f"{wild} of {len(x)} pictures have NaN or infinite features")
    return x


def comparable(a: Float[np.ndarray, "_ d"], b: Float[np.ndarray, "_ e"]) -> None:
    """Raises BadInput for features that no one extractor can have given."""
    if a.shape[1] != b.shape[1]:
        raise BadInput(
            f"features of {a.shape[1]} and of {b.shape[1]} numbers come from different extractors: measure "
            "both sets with one"
        )


def one_hot(
    labels: Sequence[str | None], prompts: Sequence[Hashable], values: Sequence[str]
) -> tuple[Float64[np.ndarray, "n m"], list[Hashable], int]:
    """A row for each picture with a label, with 1 at its value; the pictures' prompts; the number without."""
    if len(values) < 2 or len(set(values)) < len(values):
        raise BadInput(f"an attribute needs at least two different values, got {', '.join(values) or 'none'}")
    if len(labels) != len(prompts):
        raise BadInput(f"every label needs its prompt, got {len(labels)} labels and {len(prompts)} prompts")
    if strange := {label for label in labels if label is not None} - set(values):
        raise UnknownName("value", min(strange), values)
    place = {value: i for i, value in enumerate(values)}
    kept = [
        (place[label], prompt) for label, prompt in zip(labels, prompts, strict=True) if label is not None
    ]
    return np.eye(len(values))[[i for i, _ in kept]], [prompt for _, prompt in kept], len(labels) - len(kept)
