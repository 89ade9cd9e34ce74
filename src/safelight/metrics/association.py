"""Embedding association tests: WEAT (Caliskan et al. 2017), with pictures iEAT (Steed and Caliskan 2021).

Are the targets X nearer to the attributes A, and Y to B? With cosines,

    s(w, A, B) = mean_{a in A} cos(w, a) - mean_{b in B} cos(w, b)
    d = ( mean_{x in X} s(x) - mean_{y in Y} s(y) ) / std_{w in X u Y} s(w)
    p = P( sum_{X_i} s - sum_{Y_i} s >= sum_X s - sum_Y s ) over the splits of X u Y into halves

Conventions differ. Here as in the authors' code the deviation divides by n - 1 and equal sums count; wefe
divides by n, counts greater sums only and draws with replacement, which is no permutation test.
d of 0.2, 0.5, 0.8 is called small, medium, large; |d| <= 2 sqrt((2n - 1) / 2n) for n targets a side.
"""

from __future__ import annotations

import warnings
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Float

from safelight.core.errors import BadInput

EXACT = 50_000  # splits up to which all are tried
DRAWS = 100_000  # random ones above
Vectors = Float[np.ndarray, "_ d"]


def association(w: Vectors, a: Vectors, b: Vectors) -> Float[np.ndarray, " n"]:
    """s(w, A, B) of each row of w, in [-2, 2]. Raises BadInput for a zero or NaN embedding, with its row."""
    w, a, b = (_unit(x, name) for x, name in ((w, "w"), (a, "A"), (b, "B")))
    _apart(a, b, "A", "B")
    return (w @ a.T).mean(1) - (w @ b.T).mean(1)


def effect(x: Vectors, y: Vectors, a: Vectors, b: Vectors, ddof: int = 1) -> float:
    """d; `ddof` = 0 gives wefe's. X and Y may be of unequal size, as where word vectors lack a word.

    Raises BadInput for fewer than 2 targets a side, or all of one association.
    """
    s = _targets(x, y, a, b)
    if not (spread := s.std(ddof=ddof)) > 1e-12:
        raise BadInput("all targets have the same association: the effect size has no scale")
    n = len(x)
    return float((s[:n].mean() - s[n:].mean()) / spread)


def p_value(x: Vectors, y: Vectors, a: Vectors, b: Vectors, two_sided: bool = False, seed: int = 0) -> float:
    """p of the permutation test: over all C(2n, n) splits up to 50,000, else (hits + 1) / (100,000 + 1).

    It cannot be below 1 / C(2n, n), about which a warning tells for fewer than 8 targets a side.
    Raises BadInput as `effect`, and for X and Y of unequal size.
    """
    if len(x) != len(y):
        raise BadInput(
            f"the test splits the targets into halves: X and Y need equally many, got {len(x)} and {len(y)}"
        )
    s = _targets(x, y, a, b)
    n, splits = len(x), comb(2 * len(x), len(x))
    if n < 8:
        warnings.warn(f"with {n} targets a side p cannot be below 1/{splits}", stacklevel=2)
    s = s - s.mean()  # then sum_X s - sum_Y s = 2 sum_X s, and signs of the test show
    observed = _side(s[:n].sum(), two_sided) - 1e-12 * np.abs(s).sum()  # sums in another order are equal too
    if splits <= EXACT:
        sums = np.array([s[list(half)].sum() for half in combinations(range(2 * n), n)])
        return float((_side(sums, two_sided) >= observed).mean())
    rng = np.random.default_rng(seed)
    sums = np.array([rng.permutation(s)[:n].sum() for _ in range(DRAWS)])
    return float((np.count_nonzero(_side(sums, two_sided) >= observed) + 1) / (DRAWS + 1))


def _targets(x: Vectors, y: Vectors, a: Vectors, b: Vectors) -> Float[np.ndarray, " n"]:
    """s of all targets, those of X first."""
    if min(len(x), len(y)) < 2:
        raise BadInput(f"X and Y need at least 2 targets each, got {len(x)} and {len(y)}")
    _apart(x, y, "X", "Y")
    return association(np.concatenate([x, y]), a, b)


def _side(sums, two_sided: bool):
    return np.abs(sums) if two_sided else sums


def _unit(x: Vectors, name: str) -> Vectors:
    if len(x) == 0:
        raise BadInput(f"{name} holds no embedding")
    x = np.asarray(x, dtype=np.float64)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    if len(bad := np.flatnonzero(~((norm > 0) & np.isfinite(norm)))):
        raise BadInput(f"{name} holds a zero, NaN or infinite embedding in row {bad[0]}")
    return x / norm


def _apart(a: Vectors, b: Vectors, first: str, second: str) -> None:
    if common := {row.tobytes() for row in a} & {row.tobytes() for row in b}:
        raise BadInput(
            f"{first} and {second} share {len(common)} embeddings: no item may stand in both groups"
        )
