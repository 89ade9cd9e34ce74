"""Frechet inception distance (Heusel et al. 2017, eq. 6) on any feature extractor.

A FID is comparable only under one extractor, one resize and one n, so the extractor and its version are its
name: `fid@miniature-oracle-1`. It is biased upwards by about b / n; `extrapolate` fits that line (FID-
infinity, Chong and Forsyth 2020) and only there an interval makes sense.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import ClassVar

import numpy as np
from jaxtyping import Float, UInt8

from safelight.core.errors import BadInput
from safelight.core.intervals import Figure
from safelight.metrics import Features, finite

ROWS = 4096  # features turned into float64 at a time: 64 MB of Inception's 2,048


@dataclass(frozen=True)
class Moments:
    """Count, mean and scatter of features, joined block by block in float64: memory does not grow with the
    number of pictures.

    extractor: whose features they are, so that two extractors' are never compared; empty for features that
    came without a name.
    """

    n: int
    mean: Float[np.ndarray, " d"]
    scatter: Float[np.ndarray, "d d"]  # sum of outer products of deviations from the mean
    extractor: str = ""

    @classmethod
    def of(cls, features: Float[np.ndarray, "n d"], extractor: str = "") -> Moments:
        """Raises BadInput for no features, and for NaN or infinite ones."""
        starts = range(0, max(1, len(features)), ROWS)
        return reduce(add, (cls._block(features[i : i + ROWS], extractor) for i in starts))

    @classmethod
    def _block(cls, features: Float[np.ndarray, "n d"], extractor: str) -> Moments:
        x = finite(features)
        mean = x.mean(0)
        centred = x - mean
        return cls(len(x), mean, centred.T @ centred, extractor)

    def __add__(self, other: Moments) -> Moments:
        """Both together (Chan, Golub and LeVeque 1979): no cancellation, unlike sums of squares."""
        self.same_extractor(other)
        n, apart = self.n + other.n, other.mean - self.mean
        scatter = self.scatter + other.scatter + np.outer(apart, apart) * (self.n * other.n / n)
        return Moments(n, self.mean + apart * (other.n / n), scatter, self.extractor)

    def same_extractor(self, other: Moments) -> None:
        """Raises BadInput where the features of both are another network's."""
        a, b = ((m.extractor, len(m.mean)) for m in (self, other))
        if a != b:
            said = " and ".join(f"{name or 'an unnamed extractor'} ({d} numbers)" for name, d in (a, b))
            raise BadInput(f"features of {said} do not compare: measure both sets with one extractor")

    @property
    def covariance(self) -> Float[np.ndarray, "d d"]:
        """Unbiased, divided by n - 1."""
        if self.n < 2:
            raise BadInput(f"a FID needs at least 2 pictures on each side, got {self.n}")
        return self.scatter / (self.n - 1)


def frechet(a: Moments, b: Moments) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2), in float64.

    The last trace is the sum of the square roots of the eigenvalues of S1^1/2 S2 S1^1/2, which is symmetric:
    no general matrix root, no complex parts, and rank-deficient covariances (n <= d) need no offset.
    """
    a.same_extractor(b)
    s1, s2 = a.covariance, b.covariance
    for side in (s1, s2):
        if not np.any(side):
            warnings.warn(
                "all features of one side are equal: its pictures are probably all the same", stacklevel=2
            )
    values, vectors = np.linalg.eigh(s1)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ s2 @ root).clip(0)).sum()
    apart = a.mean - b.mean
    return float(apart @ apart + np.trace(s1) + np.trace(s2) - 2 * cross)


def extrapolate(x: Float[np.ndarray, "n d"], reference: Moments, seed: int = 0) -> tuple[float, float, float]:
    """FID-infinity: intercept a of FID = a + b / m over random subsets of m pictures, and its 95 % interval.

    15 subset sizes from n to n / 2, even in 1 / m; below n = 2 (d + 1) the small ones lack full rank and the
    line bends: BadInput. The interval refits the line on the points drawn again, 1,000 times: it tells how
    well the line is known, not how other pictures would move it. The reference stays as it is: give it more
    pictures than `x`.
    """
    (n, d), rng = x.shape, np.random.default_rng(seed)
    if n < 2 * (d + 1):
        raise BadInput(f"to extrapolate a FID on {d} features takes at least {2 * (d + 1)} pictures, got {n}")
    sizes = np.round(1 / np.linspace(1 / n, 2 / n, 15)).astype(int)
    fid = np.array([frechet(reference, Moments.of(x[rng.choice(n, m, replace=False)])) for m in sizes])

    def intercept(drawn: np.ndarray) -> float:
        return float(np.polyfit(1 / sizes[drawn], fid[drawn], 1)[1])

    draws = rng.integers(len(sizes), size=(1000, len(sizes)))
    refits = [intercept(drawn) for drawn in draws if len(set(drawn)) > 1]  # one size alone has no line
    lo, hi = np.percentile(refits, [2.5, 97.5])
    return intercept(np.arange(len(sizes))), float(lo), float(hi)


@dataclass(frozen=True)
class Fid:
    """The distance between two sets of pictures, each seen block by block, or as features already."""

    name: ClassVar[str] = "fid"
    versions: ClassVar[tuple[str, ...]] = ("miniature-oracle-1",)
    labels: ClassVar[tuple[str, ...]] = ("fid", "infinity")
    higher_better: ClassVar[bool] = False

    features: Features
    version: str

    @classmethod
    def load(cls, version: str) -> Fid:
        from safelight.miniature.weights import oracle

        return cls(lambda images: oracle("A").features(images).numpy(), version)

    def moments(self, blocks: Iterable[UInt8[np.ndarray, "_ h w 3"]]) -> Moments:
        """The moments of all pictures of all blocks; only one block is held at a time."""
        parts = (Moments.of(self.features(block), self.version) for block in blocks)
        if (first := next(parts, None)) is None:
            raise BadInput("there is no picture to measure")
        return reduce(add, parts, first)

    def __call__(
        self, a: Iterable[UInt8[np.ndarray, "_ h w 3"]], b: Iterable[UInt8[np.ndarray, "_ h w 3"]]
    ) -> float:
        return frechet(self.moments(a), self.moments(b))

    def figures(
        self, reference: Float[np.ndarray, "m d"], x: Float[np.ndarray, "n d"]
    ) -> Iterator[tuple[str, Figure]]:
        """The FID, and FID-infinity with its interval where the pictures are enough for it."""
        n, target = len(x), Moments.of(reference)
        if n < 2:
            yield self.name, Figure(None, None, None, n, n, "too few pictures")
            return
        value = frechet(target, Moments.of(x))
        yield self.name, Figure(value, None, None, n, n, "too large by about b/n")
        if n >= 2 * (x.shape[1] + 1):
            yield "infinity", Figure(*extrapolate(x, target), n, n, "line through subsets", 0)
