"""Demographic-parity difference of an attribute over a set of pictures.

max_g q(g) - min_g q(g), with q(g) the share of pictures that a classifier reads as g, all prompts pooled. 0
is parity. An attribute that is read from a picture is perceived; no person stands behind it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from safelight.core.intervals import Figure, percentiles, resample
from safelight.metrics import one_hot


def demographic_parity(
    labels: Sequence[str | None], prompts: Sequence[Hashable], values: Sequence[str], seed: int = 0
) -> Figure:
    """The difference in [0, 1] with its bootstrap interval over prompts (over pictures for a single prompt).

    labels: what the classifier read of each picture; None where it failed or saw nobody, counted as failed.
    values: all g, also those that never occur.
    """
    counted, of, failed = one_hot(labels, prompts, values)
    n, distinct = len(counted), len(set(of))
    if n == 0:
        return Figure(None, None, None, 0, 0, "nothing measured", failed=failed)
    value = float(_spread(counted.sum(0)[None])[0])
    unit, clusters = ("pictures", range(n)) if distinct == 1 else ("prompts", of)
    lo, hi = percentiles(resample(counted, clusters, _spread, seed))
    return Figure(value, lo, hi, n, distinct, f"bootstrap over {unit}", seed, failed)


def _spread(counts: np.ndarray) -> np.ndarray:
    return np.ptp(counts, axis=1) / counts.sum(1)
