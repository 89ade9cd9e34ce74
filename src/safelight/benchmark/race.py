"""The best stack within a budget, by a race on shared noise: what is out is drawn no further.

In this order, since what is over the budget must not beat what is within it:

1. latency: the median time of a picture against the unguarded model's, at the first look. Measured, not
   tested: it hangs on the machine.
2. over-refusal: the share of harmless requests whose picture is not handed out, looked at until its interval
   leaves the budget out. Only what was shown to be below it stays.
3. the share that the task's first judge finds unsafe or cannot judge: `core.sequential.order`.

The tests of 2 and 3 may be looked at whenever one likes. alpha bounds the probability that any of their
decisions is wrong: half of it for each where both are made, shared out among the stacks and the pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safelight.benchmark.blocks import Progress, quiet
from safelight.benchmark.heats import ALPHA, Heats
from safelight.benchmark.runner import BASE, loaded
from safelight.benchmark.stacks import stacked
from safelight.benchmark.track import Track
from safelight.core.errors import BadInput
from safelight.core.intervals import Figure
from safelight.core.ports import Judge
from safelight.core.valid import number, whole
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.policies import Policy
from safelight.store import Store
from safelight.tasks import Task


@dataclass(frozen=True)
class Entry:
    """One stack at the end. fate: why it is out, empty for those that are left.

    unsafe, over_refusal: shares with intervals that hold whenever one stops. latency: ratio to the unguarded
    model. None is what was not asked, or not drawn since the stack was out before. drawn: its pictures.
    """

    stack: str
    fate: str
    unsafe: Figure | None
    latency: float | None
    over_refusal: Figure | None
    drawn: int


@dataclass(frozen=True)
class Race:
    """Entries: those that are left, the least unsafe first, then the others.

    of: the pictures that it takes to draw everything. refused: pairs that cannot run, with the reasons.
    passes: whether the prompts may be as unlike as they like, since all looks were at ends of passes.
    """

    task: str
    judge: str
    entries: tuple[Entry, ...]
    of: int
    passes: bool
    refused: Mapping[str, tuple[str, ...]]
    alpha: float = ALPHA

    @property
    def left(self) -> list[str]:
        """The best stack; several where they were not told apart; none where none is within the budget."""
        return [entry.stack for entry in self.entries if not entry.fate]

    @property
    def drawn(self) -> int:
        return sum(entry.drawn for entry in self.entries)

    def json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"left": self.left, "drawn": self.drawn}


def race(
    task: Task | str | Path,
    model: Generator | str | Path | Any,
    parts: Sequence[Policy | str | Path],
    out: str | Path,
    n: int | None = None,
    *,
    prompts: str | Path | None = None,
    latency: float | None = None,
    over_refusal: float | None = None,
    harmless: Task | str | Path = "neutral",
    judges: Mapping[str, Judge] | None = None,
    progress: Progress = quiet,
) -> Race:
    """Find the least unsafe of the unguarded model, the parts, and their pairs that can run.

    Args:
        out: database file or URL, as for `bench`: its runs are these.
        n: pictures of each stack and task at most; by default the whole of each task.
        prompts: of `task`, as for `bench`.
        latency: how many times the unguarded model's time a picture may take, at least 1.
        over_refusal: the share of the task `harmless` that may be refused, above 0 and below 1.

    Raises:
        BadInput: a budget or n is no such number, or the task has no judge of what is unsafe.
        Refused: a part cannot run alone.
    """
    task = _lean(loaded(task, prompts), judges=1)
    if not task.judges:
        raise BadInput(f"task '{task.name}' has no judge of what is unsafe: stacks are compared by the first")
    if latency is not None:
        number("latency", latency, 1)
    if over_refusal is not None:
        number("over_refusal", over_refusal, 0, 1)
        if over_refusal in (0, 1):
            raise BadInput(f"over_refusal = {over_refusal}: no number of pictures shows a share to be 0 or 1")
    if n is not None:
        whole("n", n, 1)
    generator = model if isinstance(model, Generator) else load(model)
    singles = [part if isinstance(part, Policy) else Policy.load(part) for part in parts]
    pairs, cannot = stacked(singles, task, generator, judges)
    bound = {policy.name: policy.bind(generator, judges) for policy in (BASE, *singles, *pairs)}
    benign = _lean(loaded(harmless, None), judges=0) if over_refusal is not None else None
    with Store.open(out) as store:
        track = Track.of(task, n, generator, judges, store, progress)
        calm = Track.of(benign, n, generator, judges, store, progress) if benign else None
        heats = Heats(bound, track)
        if latency is not None:
            heats.against_time(latency)
        if calm and over_refusal and heats.left:
            heats.against_refusals(calm, over_refusal, ALPHA / 2)
        if len(heats.left) > 1:
            heats.against_each_other(ALPHA / 2 if calm else ALPHA)
    everything = len(bound) * (track.drawn(track.n) + (calm.drawn(calm.n) if calm else 0))
    [measure] = track.measures.single
    passes = track.passes and (calm is None or calm.passes)
    return Race(task.id, measure.judge, _entries(heats, calm), everything, passes, cannot)


def _lean(task: Task, judges: int) -> Task:
    """The task with its first judges and no metrics: what else it measures, `bench` can add later."""
    return task.model_copy(update={"judges": task.judges[:judges], "metrics": (), "reference": None})


def _entries(heats: Heats, calm: Track | None) -> tuple[Entry, ...]:
    """Those that are left first, each group by its unsafe share."""

    def drawn(name: str) -> int:
        sides = ((heats.track, heats.unsafe), (calm, heats.rates))
        return sum(track.drawn(known[name].n) for track, known in sides if track and name in known)

    entries = [
        Entry(
            name,
            heats.fates.get(name, ""),
            heats.unsafe.get(name),
            heats.ratios.get(name),
            heats.rates.get(name),
            drawn(name),
        )
        for name in heats.stacks
    ]
    return tuple(sorted(entries, key=lambda entry: (bool(entry.fate), heats.share(entry.stack))))
