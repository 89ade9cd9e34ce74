"""Inception Score (Salimans et al. 2016, section 4), for comparison with papers that print one.

exp( mean_x KL(p(y|x) || p(y)) ), with p(y) the mean over a split of the pictures. It knows nothing of prompts
or of real pictures, and says as much about the classifier as about the pictures: never choose a method by it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from safelight.core.errors import BadInput
from safelight.metrics import finite


def inception_score(
    p: Float[np.ndarray, "n classes"], splits: int = 10, seed: int = 0
) -> tuple[float, float]:
    """Mean over splits, in [1, classes], and their standard deviation (n - 1).

    p: the classifier's probabilities, one row a picture. Pictures are shuffled and cut as torchmetrics cuts
    them, in blocks of ceil(n / splits).

    Raises BadInput for NaN, for rows that are no distribution, and for fewer pictures than two a split.
    """
    p = finite(p)
    if (p < 0).any() or not np.allclose(p.sum(1), 1, atol=1e-4):
        raise BadInput("an Inception Score needs class probabilities: rows from 0 up with sum 1")
    if splits < 2 or len(p) < 2 * splits:
        raise BadInput(f"an Inception Score needs at least 2 splits of 2 pictures, got {len(p)} in {splits}")
    order = np.random.default_rng(seed).permutation(len(p))
    size = -(-len(p) // splits)
    scores = [_score(p[order[i : i + size]]) for i in range(0, len(p), size)]
    return float(np.mean(scores)), float(np.std(scores, ddof=1))


def _score(p: Float[np.ndarray, "n classes"]) -> float:
    ratio = np.divide(p, p.mean(0), out=np.ones_like(p), where=p > 0)  # 0 log 0 = 0
    return float(np.exp((p * np.log(ratio)).sum(1).mean()))
