"""FID and KID against the published ones on the same features: the same number, how fast, in how much memory.

    python benchmarks/metrics.py [--pictures 5000] [--size 2048] [--rounds 3]

1. Memory: the peak of this process while it takes the FID of two sets of 30,000 pictures, block by block.
2. FID against torchmetrics and against the formula of torch-fidelity and clean-fid, KID against torchmetrics
   and the formulas of both. torch-fidelity and clean-fid need torchvision, so their formulas are written out
   here. Times are taken in turn in one run; features are ready on both sides, in float64.
"""

from __future__ import annotations

import argparse
import resource
import sys
import warnings
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from safelight.metrics.fid import Fid, Moments, frechet
from safelight.metrics.kernel_distance import SUBSETS, mmd2, over_subsets

LARGE, BLOCK = 30_000, 250


def features(n: int, d: int, seed: int) -> np.ndarray:
    """Like Inception's: not negative, many near 0, of unlike scale and correlated."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 64)) @ np.random.default_rng(0).normal(size=(64, d)) / 8
    return np.maximum(hidden + rng.normal(size=(n, d)) + 0.05 * seed, 0).astype(np.float32)


def peak() -> float:
    """Largest memory of this process so far, in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def blocks(side: int, d: int) -> Iterator[np.ndarray]:
    """30,000 pictures of one pixel, which name the block that they stand for."""
    for number in range(LARGE // BLOCK):
        yield np.full((BLOCK, 1, 1, 3), (side, number // 256, number % 256), np.uint8)


def memory(d: int) -> None:
    """FID of two sets too large to hold as pictures."""

    def extract(images: np.ndarray) -> np.ndarray:
        side, high, low = map(int, images[0, 0, 0])
        return features(len(images), d, 1 + side + 2 * (256 * high + low))

    before = peak()
    begun = perf_counter()
    value = Fid(extract, "benchmark")(blocks(0, d), blocks(1, d))
    taken = perf_counter() - begun
    print(f"FID of 2 x {LARGE:,} pictures, {d} features: {value:.4f} in {taken:.0f} s")
    print(f"peak memory {peak():.2f} GB, {before:.2f} GB of it before any picture")


def fid_of_torch_fidelity(a: np.ndarray, b: np.ndarray) -> float:
    """|m1 - m2|^2 + tr S1 + tr S2 - 2 sum Re sqrt(eigenvalues of S1 S2); clean-fid has the trace of the
    matrix root instead, which is the same sum."""
    m1, m2 = a.mean(0), b.mean(0)
    s1, s2 = np.cov(a.T), np.cov(b.T)
    root = np.emath.sqrt(np.linalg.eigvals(s1 @ s2)).real.sum()
    return float((m1 - m2) @ (m1 - m2) + np.trace(s1) + np.trace(s2) - 2 * root)


def kid_of_torch_fidelity(a: np.ndarray, b: np.ndarray) -> float:
    """Row sums without the diagonal, as torch-fidelity adds them up."""
    m, gamma = len(a), 1 / a.shape[1]
    own = 0.0
    for x in (a, b):
        k = (gamma * (x @ x.T) + 1.0) ** 3
        own += float((k.sum(1) - np.diagonal(k)).sum())
    across = float(((gamma * (a @ b.T) + 1.0) ** 3).sum(0).sum())
    return own / (m * (m - 1)) - 2 * across / m**2


def kid_of_clean_fid(a: np.ndarray, b: np.ndarray) -> float:
    """Both kernels added before their diagonals are taken off."""
    d, m = a.shape[1], len(a)
    own = (a @ a.T / d + 1) ** 3 + (b @ b.T / d + 1) ** 3
    return float(((own.sum() - np.diag(own).sum()) / (m - 1) - ((a @ b.T / d + 1) ** 3).sum() * 2 / m) / m)


def torchmetrics_fid(a: np.ndarray, b: np.ndarray) -> float:
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    net: Any = torch.nn.Identity()
    net.num_features = a.shape[1]
    return _fed(FrechetInceptionDistance(feature=net).set_dtype(torch.float64), a, b)


def torchmetrics_kid(a: np.ndarray, b: np.ndarray, subsets: int, size: int) -> float:
    import torch
    from torchmetrics.image.kid import KernelInceptionDistance

    with warnings.catch_warnings(action="ignore"):  # that it holds all features, as ours does
        metric = KernelInceptionDistance(feature=torch.nn.Identity(), subsets=subsets, subset_size=size)
    return _fed(metric, a, b)


def _fed(metric: Any, a: np.ndarray, b: np.ndarray) -> float:
    import torch

    for side, real in ((a, True), (b, False)):
        for part in torch.from_numpy(side).split(BLOCK):
            metric.update(part, real=real)
    found = metric.compute()
    return float(found[0] if isinstance(found, tuple) else found)


def in_turn(rounds: int, *things: Callable[[], float]) -> tuple[list[float], list[float]]:
    """Values and median seconds of things done one after the other, after one round that does not count."""
    values, log = [0.0] * len(things), [[] for _ in things]
    for number in range(rounds + 1):
        for i, thing in enumerate(things):
            begun = perf_counter()
            values[i] = thing()
            if number:
                log[i].append(perf_counter() - begun)
    return values, [median(times) for times in log]


def show(title: str, names: list[str], values: list[float], seconds: list[float]) -> bool:
    """Prints a block; whether all agree with the first to 1e-6 relative."""
    print(f"\n{title}")
    off = [abs(value / values[0] - 1) for value in values]
    for name, value, apart, taken in zip(names, values, off, seconds, strict=True):
        print(
            f"{name:28} {value:.10g}   off by {apart:.1e}   {taken:7.2f} s   {taken / seconds[0]:6.2f} x ours"
        )
    return max(off) < 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--size", type=int, default=2048, help="features a picture")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    n, d = given.pictures, given.size
    memory(d)  # first, since a process only ever tells its largest memory

    a, b = (features(n, d, seed).astype(np.float64) for seed in (1, 2))
    fids = in_turn(
        given.rounds,
        lambda: frechet(Moments.of(a), Moments.of(b)),
        lambda: torchmetrics_fid(a, b),
        lambda: fid_of_torch_fidelity(a, b),
    )
    same = show(f"FID, 2 x {n} pictures", ["ours", "torchmetrics", "torch-fidelity, clean-fid"], *fids)

    m = min(n, 1000)
    kernels = in_turn(
        given.rounds,
        lambda: mmd2(a[:m], b[:m]),
        lambda: torchmetrics_kid(a[:m], b[:m], 1, m),
        lambda: kid_of_torch_fidelity(a[:m], b[:m]),
        lambda: kid_of_clean_fid(a[:m], b[:m]),
    )
    same &= show(f"KID, one subset of {m}", ["ours", "torchmetrics", "torch-fidelity", "clean-fid"], *kernels)

    _, seconds = in_turn(1, lambda: over_subsets(a, b, size=m)[0], lambda: torchmetrics_kid(a, b, SUBSETS, m))
    print(f"\nKID, {SUBSETS} subsets of {m}: ours {seconds[0]:.1f} s, torchmetrics {seconds[1]:.1f} s")
    print(f"its subsets are other ones; {seconds[1] / seconds[0]:.2f} x ours")
    if not same:
        raise SystemExit("not equal to 1e-6 relative")


if __name__ == "__main__":
    main()
