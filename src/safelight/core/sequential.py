"""Which of several things happens less often, asked again and again while the data come in.

A table that is read early, and again later, errs more often than it says. An e-process may be read at any
time: it starts at 1, is never negative, and does not grow on average while there is nothing to find, so that
it ever reaches 1 / alpha with probability at most alpha (Ville 1939).

    d_t in {-1, 0, 1}       picture t: hit in one and not in the other, on one prompt and one noise
    E_t(theta) = prod_s (1 + (2 theta - 1) d_s) = (2 theta)^u (2 (1 - theta))^v
    E_t = int E_t(theta) dBeta(theta; 1/2, 1/2) = 2^(u + v) B(u + 1/2, v + 1/2) / B(1/2, 1/2)

with u hits of the one alone and v of the other alone: McNemar's test by betting (Waudby-Smith and Ramdas
2024, "Estimating means of bounded random variables by betting"; the mixture is Robbins's of 1970, its weights
are Krichevsky and Trofimov's of 1981). For one share against a fixed rate p the factors are theta / p for a
hit and (1 - theta) / (1 - p) for a miss.

Why its side may be believed: where u < v, every theta > 1/2 has lost, and all of them together hold less than
at the start; so the others have grown, and they do not grow on average unless the one is hit less often. Each
wrong side has probability at most alpha, and both together where there is no difference.

What it assumes: noise that is independent from picture to picture and, where a look falls into the middle of
a pass through the prompts, prompts in no particular order. At the ends of whole passes the prompts may be as
unlike as they like, and the answer is about exactly these: with lambda = 2 theta - 1 and mean differences
delta_r, prod_r (1 + lambda delta_r) <= exp(lambda sum_r delta_r) <= 1 where the sum has the other sign.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb, log
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from safelight.core.errors import BadInput


def evidence(
    hits: Int[np.ndarray, " *shape"], misses: Int[np.ndarray, " *shape"], rate: float = 0.5
) -> Float[np.ndarray, " *shape"]:
    """log E, the logarithm of the e-process against "a hit has probability `rate`", 0 < rate < 1.

    At alpha, "more often" or "less often" may be said once it reaches log(1 / alpha), whenever that is.
    """
    if not 0 < rate < 1:
        raise BadInput(f"a rate to test against lies between 0 and 1, got {rate!r}")
    steps = np.arange(1, int((hits + misses).max(initial=0)) + 1)
    # log of Gamma(k + 1/2) / Gamma(1/2), and of Gamma(k + 1)
    half, whole = (np.concatenate([[0.0], np.cumsum(np.log(steps - gap))]) for gap in (0.5, 0.0))
    mixture = half[hits] + half[misses] - whole[hits + misses]
    return np.asarray(mixture - hits * log(rate) - misses * log(1 - rate))


def interval(hits: int, n: int, alpha: float = 0.05) -> tuple[float, float]:
    """The rates that `hits` of n pictures do not speak against: with probability 1 - alpha the true one is
    among them after every picture, and so whenever one stops. Wider than Wilson's, which may be read once.
    """
    if n < 1 or not 0 <= hits <= n:
        raise BadInput(f"a share needs 0 <= hits <= n and n >= 1, got {hits} of {n}")
    share, ends = hits / n, []
    for end in (0.0, 1.0):
        held, out = share, end  # evidence rises from the share to both ends: halve the distance to its edge
        while held != end and abs(held - out) > 1e-9:
            rate = (held + out) / 2
            against = float(evidence(np.array(hits), np.array(n - hits), rate)) >= log(1 / alpha)
            held, out = (held, rate) if against else (rate, out)
        ends.append(held)
    return ends[0], ends[1]


@dataclass(frozen=True)
class Order:
    """What is known of m things at the last look at each pair.

    decided: 1 where row i is hit more often than column j, -1 where less often, 0 where they are not told
    apart. With probability 1 - alpha no entry is wrong. lean: the sign of the difference so far, which has no
    such bound. drawn: pictures looked at of each.
    """

    decided: Int[np.ndarray, "m m"]
    lean: Int[np.ndarray, "m m"]
    drawn: Int[np.ndarray, " m"]

    @property
    def left(self) -> Bool[np.ndarray, " m"]:
        """Those that nothing was shown to be hit less often than."""
        return ~(self.decided == 1).any(1)


def order(
    draw: Callable[[int, int], Bool[np.ndarray, " t"]],
    m: int,
    looks: Sequence[int],
    alpha: float,
    goal: Literal["best", "all"] = "best",
) -> Order:
    """Compares m things pair by pair on shared noise, and stops drawing what needs no more pictures.

    Args:
        draw: (i, t) -> hits of thing i on the first t pictures, which are the same pictures for all.
        looks: rising numbers of pictures after which to compare.
        alpha: probability that any of the m (m - 1) / 2 comparisons is decided wrongly, at most.
        goal: "best" drops what is hit more often than another; "all" drops what is told apart from all.
    """
    if not 0 < alpha < 1:
        raise BadInput(f"alpha is a probability between 0 and 1, got {alpha!r}")
    decided, lean = np.zeros((m, m), int), np.zeros((m, m), int)
    drawn, going = np.zeros(m, int), np.arange(m)
    for t in looks:
        if len(going) < 2:
            break
        hit = np.stack([draw(int(i), t) for i in going]).astype(int)
        drawn[going] = t
        alone = hit @ (1 - hit).T  # u of each pair; v is its transpose
        sign, here = np.sign(alone - alone.T), np.ix_(going, going)
        lean[here] = sign
        shown = evidence(alone, alone.T) >= log(comb(m, 2) / alpha)
        decided[here] = np.where(decided[here] == 0, sign * shown, decided[here])
        done = (decided == 1).any(1) if goal == "best" else (decided != 0).sum(1) == m - 1
        going = np.flatnonzero(~done)
    return Order(decided, lean, drawn)
