"""Stopping early against looking at everything, on simulated rates like those of the miniature's policies.

    python benchmarks/sequential.py [--repetitions 1000]

1. False alarms: two stacks with the same rate, looked at after every picture up to 1,000; and two that are
   equal on average over 30 unlike prompts only, looked at after every pass. To be at most 5 %.
2. Six stacks, full data of N pictures each, at most 15 % of them drawn. Over the pairs whose 95 % interval
   on the full data excludes 0: Kendall's tau between the early order and the full one, the share of them that
   was decided, and in how many repetitions any decision contradicts the true rates. An undecided pair counts
   in tau by the side it leans to. "shared" is how much of a picture's fate hangs on the noise that all stacks
   have in common: on the miniature nearly all of it.
3. The pictures that a decision takes at least, by the size of the difference: where 15 % cannot be enough.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from math import ceil, comb, log
from statistics import NormalDist

import numpy as np

from safelight.core.sequential import evidence, order

RATES = np.array([0.81, 0.80, 0.78, 0.62, 0.08, 0.04])
M, ALPHA, PART, Z = len(RATES), 0.05, 0.15, 1.96
LOOKS = 100  # in the full data
Draw = Callable[[np.random.Generator], np.ndarray]
"""Hits of two stacks on the same pictures, [2, n]."""


def stacks(rng: np.random.Generator, n: int, shared: float) -> np.ndarray:
    """Hits [6, n]: a picture is hit where a normal number, in part common to all stacks, is small."""
    cut = np.array([NormalDist().inv_cdf(rate) for rate in RATES])[:, None]
    z = np.sqrt(shared) * rng.standard_normal(n) + np.sqrt(1 - shared) * rng.standard_normal((M, n))
    return z < cut


def equal(rng: np.random.Generator) -> np.ndarray:
    return rng.random((2, 1000)) < 0.5


def equal_on_average(rng: np.random.Generator) -> np.ndarray:
    """The one stack is hit on the first half of the prompts more often, the other on the second."""
    rates = np.repeat([[0.9, 0.1], [0.1, 0.9]], 15, axis=1)
    return rng.random((2, 990)) < np.tile(rates, 33)


def alarms(draw: Draw, step: int, repetitions: int) -> float:
    """How often two equal stacks are told apart at some look."""
    count = 0
    for seed in range(repetitions):
        a, b = draw(np.random.default_rng(seed))
        up, down = np.cumsum(a & ~b)[step - 1 :: step], np.cumsum(b & ~a)[step - 1 :: step]
        count += bool((evidence(up, down) >= log(1 / ALPHA)).any())
    return count / repetitions


def signs(x: np.ndarray) -> np.ndarray:
    """The order of each pair on the full data, 0 where the paired interval of the difference holds 0."""
    d = x[:, None].astype(float) - x[None]
    mean, half = d.mean(2), Z * d.std(2) / np.sqrt(x.shape[1])
    return np.where(np.abs(mean) > half, np.sign(mean), 0)


def early(n: int, shared: float, repetitions: int) -> tuple[float, float, float, float]:
    """Mean tau, decided share, share of the pictures drawn, share of repetitions with a false decision."""
    truth = np.sign(RATES[:, None] - RATES[None])
    step, tau, decided, drawn, false = n // LOOKS, [], [], [], 0
    for seed in range(repetitions):
        x = stacks(np.random.default_rng(seed), n, shared)
        found = order(lambda i, t, x=x: x[i, :t], M, range(step, int(PART * n) + 1, step), ALPHA, "all")
        full = np.triu(signs(x))
        told = np.where(found.decided != 0, found.decided, found.lean)
        tau.append((told * full)[full != 0].mean())
        decided.append((found.decided != 0)[full != 0].mean())
        drawn.append(found.drawn.sum() / (M * n))
        false += bool(((found.decided != 0) & (found.decided != truth)).any())
    return float(np.mean(tau)), float(np.mean(decided)), float(np.mean(drawn)), false / repetitions


def fewest(pairs: int) -> int:
    """Pictures that must differ, all in one direction, before a pair among so many is decided."""
    counts = np.arange(200)
    return int(np.argmax(evidence(counts, 0 * counts) >= log(pairs / ALPHA)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000)
    repetitions = parser.parse_args().repetitions

    false = {
        "equal rates, a look a picture": alarms(equal, 1, repetitions),
        "equal on average, a look a pass": alarms(equal_on_average, 30, repetitions),
    }
    for name, share in false.items():
        print(f"{name:34} told apart in {100 * share:.1f} % of {repetitions} repetitions")

    print(f"\n{'N':>6} {'shared':>7} {'tau':>6} {'decided':>8} {'drawn':>7} {'false':>7}")
    for n in (300, 1000, 5000):
        for shared in (0.0, 0.9, 0.99, 1.0):
            tau, decided, drawn, wrong = early(n, shared, repetitions)
            false[f"{n}, {shared}"] = wrong
            shares = f"{100 * decided:6.0f} % {100 * drawn:5.1f} % {100 * wrong:5.1f} %"
            print(f"{n:6} {shared:7.2f} {tau:6.3f} {shares}")

    print("\ndifference    pictures for a pair    for one pair of six stacks    N where that is 15 %")
    for gap in (0.5, 0.2, 0.1, 0.05, 0.02, 0.01):
        alone, six = (ceil(fewest(pairs) / gap) for pairs in (1, comb(M, 2)))
        print(f"{100 * gap:5.0f} points {alone:22} {six:29} {ceil(six / PART):23}")
    if max(false.values()) > ALPHA:
        raise SystemExit(f"more than {100 * ALPHA:.0f} % false decisions")


if __name__ == "__main__":
    main()
