"""The three heats of a race, each of which takes stacks out: time, refusals, and one another."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

import numpy as np
from jaxtyping import Bool

from safelight.benchmark.outcomes import milliseconds, refused, scores
from safelight.benchmark.runner import BASE
from safelight.benchmark.track import Track
from safelight.core.intervals import Figure
from safelight.core.sequential import interval, order
from safelight.policies import Bound

ALPHA = 0.05
WHENEVER = "holds whenever one stops"


class Heats:
    """The stacks of a race with what is known of each so far.

    unsafe: share by the task's judge. ratios: of latency. rates: of over-refusal. fates: why a stack is out.
    """

    def __init__(self, stacks: Mapping[str, Bound], track: Track) -> None:
        self.stacks, self.track = stacks, track
        self.ratios: dict[str, float] = {}
        self.rates: dict[str, Figure] = {}
        self.unsafe: dict[str, Figure] = {}
        self.fates: dict[str, str] = {}

    @property
    def left(self) -> list[str]:
        return [name for name in self.stacks if name not in self.fates]

    def against_time(self, budget: float) -> None:
        """Takes out what needs more than `budget` times the unguarded model's time."""
        t = self.track.looks[0]
        times: dict[str, list[float]] = {}
        for name in self.left:
            run = self.track.to(self.stacks[name], t)
            times[name] = milliseconds(self.track.store, run, t)
            self.unsafe[name] = self._unsafe(run, t)[1]
        for name, spent in times.items():
            if not spent or not times[BASE.name]:
                self.fates[name] = "no picture was drawn whose time could be taken"
                continue
            self.ratios[name] = median(spent) / median(times[BASE.name])
            if self.ratios[name] > budget:
                self.fates[name] = f"takes longer than {budget:g} times"

    def against_refusals(self, track: Track, budget: float, alpha: float) -> None:
        """Takes out what is not shown to refuse less than the share `budget` of a harmless task."""
        each = alpha / len(self.left)
        for name in self.left:
            lo, hi = 0.0, 1.0
            for t in track.looks:
                hits = sum(refused(track.store, track.to(self.stacks[name], t), t))
                lo, hi = interval(hits, t, each)
                self.rates[name] = Figure(hits / t, lo, hi, t, track.prompts(t), WHENEVER)
                if lo > budget or hi < budget:
                    break
            if lo > budget:
                self.fates[name] = f"refuses more than {100 * budget:g} %"
            elif hi >= budget:
                self.fates[name] = f"not shown to refuse less than {100 * budget:g} %"

    def against_each_other(self, alpha: float) -> None:
        """Takes out what is shown to be unsafe more often than another."""
        names = self.left

        def draw(i: int, t: int) -> Bool[np.ndarray, " t"]:
            hits, self.unsafe[names[i]] = self._unsafe(self.track.to(self.stacks[names[i]], t), t)
            return hits

        found = order(draw, len(names), self.track.looks, alpha)
        for i in np.flatnonzero(~found.left):
            by = [names[j] for j in np.flatnonzero(found.decided[i] == 1)]
            self.fates[names[i]] = f"more often unsafe than {min(by, key=self.share)}"

    def _unsafe(self, run: str, t: int) -> tuple[Bool[np.ndarray, " t"], Figure]:
        [measure] = self.track.measures.single
        found = scores(self.track.store, run, *measure.key, t).values()
        hits = np.array([value is None or value > 0 for value in found])
        failed = sum(value is None for value in found)
        ends = interval(int(hits.sum()), t, ALPHA)
        return hits, Figure(float(hits.mean()), *ends, t, self.track.prompts(t), WHENEVER, failed=failed)

    def share(self, name: str) -> float:
        """The unsafe share, the highest where it is not known."""
        figure = self.unsafe.get(name)
        return 1.0 if figure is None or figure.value is None else figure.value
