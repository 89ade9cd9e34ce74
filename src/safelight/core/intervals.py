"""Intervals for every figure: Wilson, Clopper-Pearson, bootstrap over prompts, paired differences, McNemar.

Pictures of one prompt resemble each other, so the unit that is drawn again is the prompt, not the picture.
Two exceptions: with one picture a prompt both are the same, and with a single prompt only the noise varies.
All intervals cover 95 %.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import comb, exp, lgamma, log, sqrt
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from safelight.core.errors import BadInput

RESAMPLES = 10_000
Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Figure:
    """A number that can be believed: value and interval, with what they rest on.

    `n` pictures of `prompts` different prompts; `failed` further pictures could not be measured. `value` is
    None when nothing was measured, `lo` and `hi` are None when the data allow no interval. `seed` is that of
    the resampling.
    """

    value: float | None
    lo: float | None
    hi: float | None
    n: int
    prompts: int
    how: str
    seed: int | None = None
    failed: int = 0


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Interval of a share, hits of n independent trials (Wilson 1927, eq. for the score interval).

    Never empty: 0 of 10 gives [0, 0.278].
    """
    if n < 1 or not 0 <= hits <= n:
        raise BadInput(f"a share needs 0 <= hits <= n and n >= 1, got {hits} of {n}")
    p, z2 = hits / n, Z * Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # At the ends the formula is exact only up to rounding.
    return (0.0 if hits == 0 else centre - half), (1.0 if hits == n else centre + half)


def clopper_pearson(hits: int, n: int) -> tuple[float, float]:
    """Interval of a share that never covers less than 95 % (Clopper and Pearson 1934): each end is where the
    tail of the binomial distribution from `hits` on is 2.5 %. For promises, such as a rate of false alarms.
    """
    if n < 1 or not 0 <= hits <= n:
        raise BadInput(f"a share needs 0 <= hits <= n and n >= 1, got {hits} of {n}")
    # P(X <= hits - 1 | p) falls with p from 1 to 0, and so does P(X <= hits | p).
    lo = 0.0 if hits == 0 else _where(lambda p: _at_most(hits - 1, n, p) - 0.975)
    hi = 1.0 if hits == n else _where(lambda p: _at_most(hits, n, p) - 0.025)
    return lo, hi


def _at_most(k: int, n: int, p: float) -> float:
    """P(X <= k) of a binomial X of n trials, for p in (0, 1)."""
    ways = (lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) for i in range(k + 1))
    return sum(exp(way + i * log(p) + (n - i) * log(1 - p)) for i, way in enumerate(ways))


def _where(falling: Callable[[float], float]) -> float:
    """The zero in (0, 1) of a falling function, by bisection to the last bit that matters."""
    lo, hi = 0.0, 1.0
    for _ in range(50):
        middle = (lo + hi) / 2
        lo, hi = (middle, hi) if falling(middle) > 0 else (lo, middle)
    return (lo + hi) / 2


def cluster_bootstrap(
    values: Float[np.ndarray, " n"], clusters: Sequence[Hashable], seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean of `values`, drawing whole clusters again (10,000 times)."""
    counted = np.stack([values, np.ones(len(values))], 1)
    return percentiles(resample(counted, clusters, lambda total: total[:, 0] / total[:, 1], seed))


def resample(
    columns: Float[np.ndarray, "n c"],
    clusters: Sequence[Hashable],
    statistic: Callable[[Float[np.ndarray, "b c"]], Float[np.ndarray, " b"]],
    seed: int = 0,
) -> Float[np.ndarray, " resamples"]:
    """A statistic of the columns' sums (a mean, a ratio, a difference of shares), each time over as many
    clusters as there are, drawn with replacement.

    columns: what each picture adds to each sum. clusters: the prompt of each picture.
    """
    _, member = np.unique([str(c) for c in clusters], return_inverse=True)
    sums = [np.bincount(member, column) for column in columns.T]
    rng, found = np.random.default_rng(seed), []
    for _ in range(0, RESAMPLES, 500):  # in parts: 10,000 draws of 5,000 prompts would take 400 MB
        drawn = rng.integers(len(sums[0]), size=(500, len(sums[0])))
        found.append(statistic(np.stack([part[drawn].sum(1) for part in sums], 1)))
    return np.concatenate(found)


def percentiles(values: Float[np.ndarray, " resamples"]) -> tuple[float, float]:
    """The middle 95 % of what resampling gave."""
    lo, hi = np.percentile(values, [2.5, 97.5])
    return float(lo), float(hi)


def share(hits: Sequence[float | None], prompts: Sequence[Hashable], seed: int = 0) -> Figure:
    """Share of ones among zeros and ones; None is a picture whose judge failed, and is counted as failed.

    Wilson for one picture a prompt or a single prompt, else the cluster bootstrap. The bootstrap is never
    taken narrower than Wilson on the same pictures: drawing 0 of 300 again always gives 0, which proves
    nothing.
    """
    measured, of, failed = measured_of(hits, prompts)
    if not set(measured) <= {0.0, 1.0}:
        raise BadInput("a share counts zeros and ones; take the mean of other values")
    n, distinct = len(measured), len(set(of))
    if n == 0:
        return Figure(None, None, None, 0, 0, "nothing measured", failed=failed)
    lo, hi = wilson(int(measured.sum()), n)
    value = float(measured.mean())
    if distinct in (1, n):
        return Figure(value, lo, hi, n, distinct, "Wilson", failed=failed)
    left, right = cluster_bootstrap(measured, of, seed)
    return Figure(value, min(lo, left), max(hi, right), n, distinct, "bootstrap over prompts", seed, failed)


def mean(values: Sequence[float | None], prompts: Sequence[Hashable], seed: int = 0) -> Figure:
    """Mean of any per-picture value with its bootstrap interval over prompts (over pictures for a single
    prompt).
    """
    measured, of, failed = measured_of(values, prompts)
    n, distinct = len(measured), len(set(of))
    if n == 0:
        return Figure(None, None, None, 0, 0, "nothing measured", failed=failed)
    value = float(measured.mean())
    if n == 1:
        return Figure(value, None, None, 1, 1, "one picture allows no interval", failed=failed)
    unit, clusters = ("pictures", range(n)) if distinct == 1 else ("prompts", of)
    lo, hi = cluster_bootstrap(measured, clusters, seed)
    return Figure(value, lo, hi, n, distinct, f"bootstrap over {unit}", seed, failed)


def difference(
    values: Sequence[float | None], base: Sequence[float | None], prompts: Sequence[Hashable], seed: int = 0
) -> Figure:
    """Mean of values - base over pictures of the same prompt and noise: the paired bootstrap.

    A pair counts as failed when either side could not be measured.
    """
    if len(values) != len(base):
        raise BadInput(
            f"a paired difference needs equally many values on both sides, got {len(values)} and {len(base)}"
        )
    pairs = [None if a is None or b is None else a - b for a, b in zip(values, base, strict=True)]
    return mean(pairs, prompts, seed)


def mcnemar(values: Sequence[float], base: Sequence[float]) -> float:
    """Two-sided exact p of McNemar's test for paired zeros and ones, one picture a prompt (binomial on
    discordant pairs).
    """
    if len(values) != len(base):
        raise BadInput(f"McNemar's test needs pairs, got {len(values)} and {len(base)} values")
    if not {*values, *base} <= {0, 1}:
        raise BadInput("McNemar's test counts zeros and ones; take the difference of other values")
    up = sum(a > b for a, b in zip(values, base, strict=True))
    down = sum(a < b for a, b in zip(values, base, strict=True))
    m, k = up + down, min(up, down)
    return min(1.0, 2 * sum(comb(m, i) for i in range(k + 1)) / 2**m)


def measured_of(
    values: Sequence[float | None], prompts: Sequence[Hashable]
) -> tuple[Float[np.ndarray, " n"], list[Hashable], int]:
    """The values that are there, their prompts, and how many are missing (None). NaN is an error."""
    if len(values) != len(prompts):
        raise BadInput(f"every value needs its prompt, got {len(values)} values and {len(prompts)} prompts")
    kept = [(v, p) for v, p in zip(values, prompts, strict=True) if v is not None]
    measured = np.array([v for v, _ in kept], dtype=np.float64)
    if not np.isfinite(measured).all():
        raise BadInput("a value is NaN or infinite; a missing value is None")
    return measured, [p for _, p in kept], len(values) - len(kept)
