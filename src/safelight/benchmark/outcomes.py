"""What became of each picture of a run: unsafe or not, refused or not, and how long it took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from safelight.core.nouns import Decision, Outcome, strictest
from safelight.core.records import Sample
from safelight.metrics.over_refusal import REFUSED
from safelight.store import Store

Place = tuple[int, int]
"""Row and k of a picture."""


def scores(store: Store, run: str, metric: str, judge: str, n: int) -> dict[Place, float | None]:
    """One measure of the first n pictures in the order of the task, None where it failed."""
    at = {sample.id: (sample.row, sample.k) for sample in store.samples(run)[:n]}
    found = {s.sample: s.value for s in store.scores(run) if (s.metric, s.judge) == (metric, judge)}
    return {place: found.get(sample) for sample, place in at.items()}


def outcomes(samples: Sequence[Sample], decisions: Iterable[Decision]) -> list[Outcome | None]:
    """The strictest decision on each picture; None where generation failed and no outcome is known."""
    said = defaultdict(list)
    for decision in decisions:
        said[decision.sample].append(decision.outcome)
    return [None if sample.status == "failed" else strictest(said[sample.id]) for sample in samples]


def refused(store: Store, run: str, n: int) -> list[bool]:
    """Which of the first n pictures their user would not have got: withheld, replaced or blurred by a check
    or the hard stop, or lost.
    """
    became = outcomes(store.samples(run)[:n], store.decisions(run))
    return [outcome is None or outcome in REFUSED for outcome in became]


def milliseconds(store: Store, run: str, n: int) -> list[float]:
    """What each of the first n pictures took that were drawn, its checks included."""
    spent = defaultdict(float)
    for decision in store.decisions(run):
        spent[decision.sample] += decision.ms
    return [s.ms + spent[s.id] for s in store.samples(run)[:n] if s.ms is not None]
