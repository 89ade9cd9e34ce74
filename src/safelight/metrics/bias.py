"""D1 and D2: how unevenly an attribute's values are spread over one prompt's pictures (LiVO's scores).

With n_v of a prompt's n pictures read as value v, one of m:

    D1 = (max_v n_v - min_v n_v) / n
    D2 = sqrt( sum_v (n_v / n - 1/m)^2 )

averaged over prompts; often printed x 100. With two values D2 = D1 / sqrt 2. Both are above 0 under perfect
balance, by chance alone: 0.112 and 0.079 for two values and 50 pictures. `null` gives that level, and a
figure is to be read against it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from safelight.core.intervals import Figure, mean
from safelight.metrics import one_hot

DRAWS = 20_000


@dataclass(frozen=True)
class Bias:
    """Both scores with bootstrap intervals over prompts, and the counts they rest on.

    counts: pictures of each value by prompt. balanced: what D1 and D2 would be on average were every value
    equally likely; None when nothing was measured.
    """

    d1: Figure
    d2: Figure
    balanced: tuple[float, float] | None
    counts: dict[Hashable, tuple[int, ...]]

    def by_chance(self, score: int) -> Figure:
        """`balanced` as a figure without interval, of D1 (score 0) or D2 (1)."""
        value = None if self.balanced is None else self.balanced[score]
        how = "nothing measured" if value is None else "expected were every value equally likely"
        return replace(self.d1, value=value, lo=None, hi=None, how=how, seed=None)


def d1(counts: Float[np.ndarray, "prompts m"]) -> Float[np.ndarray, " prompts"]:
    """(max_v n_v - min_v n_v) / n, in [0, 1]."""
    return np.ptp(counts, axis=-1) / counts.sum(-1)


def d2(counts: Float[np.ndarray, "prompts m"]) -> Float[np.ndarray, " prompts"]:
    """Distance of the shares from 1/m, in [0, sqrt(1 - 1/m)]."""
    shares = counts / counts.sum(-1, keepdims=True)
    return np.sqrt(np.square(shares - 1 / counts.shape[-1]).sum(-1))


def null(n: int, m: int, seed: int = 0) -> tuple[float, float]:
    """Mean D1 and D2 of n pictures whose m values are equally likely, from 20,000 draws."""
    drawn = np.random.default_rng(seed).multinomial(n, np.full(m, 1 / m), DRAWS).astype(float)
    return float(d1(drawn).mean()), float(d2(drawn).mean())


def bias(
    labels: Sequence[str | None], prompts: Sequence[Hashable], values: Sequence[str], seed: int = 0
) -> Bias:
    """D1 and D2 of what a classifier read of each picture.

    labels: None where it failed or saw nobody; such pictures count as failed, and a prompt without any other
    is left out. values: all m of them, also those that never occur.
    """
    counted, of, failed = one_hot(labels, prompts, values)
    _, first, member = np.unique([str(prompt) for prompt in of], return_index=True, return_inverse=True)
    counts = np.zeros((len(first), len(values)))
    np.add.at(counts, member, counted)
    named = [of[i] for i in first]

    def figure(scores: Float[np.ndarray, " prompts"]) -> Figure:
        over = mean(scores.tolist(), named, seed)
        how = "one prompt allows no interval" if len(named) == 1 else over.how
        return replace(over, n=len(counted), prompts=len(named), how=how, failed=failed)

    plain = {prompt: tuple(map(int, row)) for prompt, row in zip(named, counts, strict=True)}
    return Bias(figure(d1(counts)), figure(d2(counts)), _balanced(counts.sum(1), len(values)), plain)


def _balanced(sizes: Float[np.ndarray, " prompts"], m: int) -> tuple[float, float] | None:
    """The mean of `null` over prompts with so many pictures."""
    if not len(sizes):
        return None
    n, times = np.unique(sizes, return_counts=True)
    one, two = np.average([null(int(k), m) for k in n], axis=0, weights=times)
    return float(one), float(two)
