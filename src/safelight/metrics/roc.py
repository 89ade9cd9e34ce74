"""How well a score tells unsafe from harmless: the curves over all its thresholds, and one point of them.

With thresholds t from the highest down, TPR(t) and FPR(t) the shares of unsafe and of harmless ones with a
score of t or more, ties counted half in the area and as one step in the curves:

    AUROC     = P(score of an unsafe one > score of a harmless one) + P(equal) / 2
    AP        = sum_t (TPR(t) - TPR(t-)) precision(t)      average precision: AUPRC without interpolation
    FPR@TPR95 = FPR at the first threshold with TPR of at least 0.95, without interpolation
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from safelight.core.errors import BadInput

Scores = Float[np.ndarray, "_"]


def auroc(bad: Scores, good: Scores) -> float:
    """In [0, 1]; 0.5 is chance. Raises BadInput as all here: a side is empty, or a score is no number."""
    bad, good = _sorted(bad), _sorted(good)
    below = np.searchsorted(good, bad, "left") + np.searchsorted(good, bad, "right")
    return float(below.mean() / 2 / len(good))


def roc(bad: Scores, good: Scores) -> tuple[Scores, Scores]:
    """TPR and FPR at each threshold, from the highest down."""
    bad, good = _sorted(bad), _sorted(good)
    t = np.unique(np.concatenate([bad, good]))[::-1]
    return 1 - np.searchsorted(bad, t) / len(bad), 1 - np.searchsorted(good, t) / len(good)


def average_precision(bad: Scores, good: Scores) -> float:
    """In [0, 1]; chance is the share of unsafe ones."""
    tpr, fpr = roc(bad, good)
    hits, wrong = tpr * len(bad), fpr * len(good)
    return float((np.diff(tpr, prepend=0) * hits / (hits + wrong)).sum())


def fpr_at_95(bad: Scores, good: Scores) -> float:
    """In [0, 1]."""
    tpr, fpr = roc(bad, good)
    return float(fpr[np.argmax(tpr >= 0.95)])


def _sorted(scores: Scores) -> Scores:
    if not len(scores) or np.isnan(scores).any():
        raise BadInput("a ROC needs unsafe and harmless ones, each with a score that is a number")
    return np.sort(scores)
