"""Kernel inception distance, KID (Binkowski et al. 2018, section 4) on any feature extractor.

The squared maximum mean discrepancy under k(x, y) = (x.y / d + 1)^3, estimated without bias (Gretton et al.
2012, eq. 3): unlike a FID its expected value does not depend on n, which makes it the measure for fewer than
10,000 pictures. It may be negative. Comparable only under one extractor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from safelight.core.errors import BadInput
from safelight.core.intervals import Figure
from safelight.metrics import Features, comparable, finite

SUBSETS, SIZE = 100, 1000  # as the authors', torchmetrics' and torch-fidelity's


def kernel(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """k(x, y) = (x.y / d + 1)^3 of every x with every y."""
    k = x @ y.T
    k /= x.shape[1]
    k += 1
    return k * k * k  # `** 3` calls pow for each number, 30 times slower


def mmd2(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m _"]) -> float:
    """MMD^2 = sum_{i != j} k(x_i, x_j) / n(n-1) + sum_{i != j} k(y_i, y_j) / m(m-1) - 2 mean k(x_i, y_j).

    In float64. Raises BadInput for fewer than 2 pictures on a side, NaN, and features of different length.
    """
    comparable(x, y)
    x, y = finite(x), finite(y)
    if min(len(x), len(y)) < 2:
        raise BadInput(f"a KID needs at least 2 pictures on each side, got {len(x)} and {len(y)}")
    return float(_within(x) + _within(y) - 2 * kernel(x, y).mean())


def _within(x: Float[np.ndarray, "n d"]) -> float:
    k, n = kernel(x, x), len(x)
    return float((k.sum() - np.trace(k)) / (n * (n - 1)))


def over_subsets(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "m _"],
    subsets: int = SUBSETS,
    size: int = SIZE,
    seed: int = 0,
) -> tuple[float, float]:
    """Mean and standard deviation of MMD^2 over pairs of random subsets of `size` pictures.

    The deviation tells how far two estimates from so few pictures lie apart; it is no interval of the mean.
    Raises BadInput when a side has fewer than `size` pictures, besides what `mmd2` refuses.
    """
    if min(len(x), len(y)) < size:
        raise BadInput(
            f"subsets of {size} need as many pictures on each side, got {len(x)} and {len(y)}: take a "
            "smaller size"
        )
    rng = np.random.default_rng(seed)
    found = [
        mmd2(x[rng.choice(len(x), size, replace=False)], y[rng.choice(len(y), size, replace=False)])
        for _ in range(subsets)
    ]
    return float(np.mean(found)), float(np.std(found))


@dataclass(frozen=True)
class KernelDistance:
    """KID of a run's pictures: of all at once up to 1,000, over 100 subsets where there are more."""

    name: ClassVar[str] = "kernel-distance"
    versions: ClassVar[tuple[str, ...]] = ("miniature-oracle-1",)
    labels: ClassVar[tuple[str, ...]] = ("kernel-distance",)
    higher_better: ClassVar[bool] = False

    features: Features
    version: str

    @classmethod
    def load(cls, version: str) -> KernelDistance:
        from safelight.miniature.weights import oracle

        return cls(lambda images: oracle("A").features(images).numpy(), version)

    def figures(
        self, reference: Float[np.ndarray, "m d"], x: Float[np.ndarray, "n d"]
    ) -> Iterator[tuple[str, Figure]]:
        """The KID with the number of pictures it rests on; no interval."""
        n = len(x)
        if min(n, len(reference)) < 2:
            yield self.name, Figure(None, None, None, n, n, "too few pictures")
        elif max(n, len(reference)) <= SIZE:
            yield self.name, Figure(mmd2(reference, x), None, None, n, n, "unbiased, all pictures")
        else:
            size = min(SIZE, n, len(reference))
            value, deviation = over_subsets(reference, x, size=size)
            how = f"{SUBSETS} subsets of {size}, deviation {deviation:.2g}"
            yield self.name, Figure(value, None, None, n, n, how, 0)
