"""What a task measures, with the networks at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from safelight import judges as registered
from safelight import metrics
from safelight.benchmark.derived import DERIVED, Stored, derived
from safelight.benchmark.naming import column, heading
from safelight.benchmark.table import figures_of
from safelight.core.errors import BadInput, Refused
from safelight.core.nouns import Score
from safelight.core.ports import Judge
from safelight.core.records import Sample, ScoreRow
from safelight.diffusion.generator import Generator
from safelight.metrics import Distance, Metric, Pictures, stack
from safelight.metrics.harm import Harm
from safelight.metrics.share import Share
from safelight.store.images import Images
from safelight.tasks import Task


@dataclass(frozen=True)
class Measure:
    """A per-picture metric and the judge it asks, "name:preset@version", empty where it asks none.

    asked: that judge, or all whose union it is ("q16+nudenet:i2p@1+3").
    """

    metric: Metric
    judge: str = ""
    asked: tuple[Judge, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What tells one measure's scores from another's."""
        return f"{self.metric.name}@{self.metric.version}", self.judge

    @property
    def paired(self) -> bool:
        """Whether it compares with the unguarded model's picture."""
        return "unguarded" in self.metric.needs

    def score(
        self, samples: Sequence[Sample], unguarded: Sequence[Sample | None], task: Task, images: Images
    ) -> list[ScoreRow]:
        """The scores of a block as rows. A picture that cannot be measured has NULL and why.

        unguarded: beside each sample the one of the same prompt and noise without any method, None in that
        run itself, where a comparison with it has no rows.
        """
        if self.paired and None in unguarded:
            return []
        beside = [u if self.paired and u else s for s, u in zip(samples, unguarded, strict=True)]
        good = [(s, u) for s, u in zip(samples, beside, strict=True) if s.status == u.status == "ok"]
        scores = iter(self.metric(self._pictures(good, task, images)) if good else [])
        return [
            row
            for s, u in zip(samples, beside, strict=True)
            for row in self._rows(s, next(scores) if s.status == u.status == "ok" else _without(s), task)
        ]

    def _pictures(self, pairs: Sequence[tuple[Sample, Sample]], task: Task, images: Images) -> Pictures:
        chosen = [task.rows[s.row] for s, _ in pairs]
        return Pictures(
            stack([images.get(str(s.image_hash)) for s, _ in pairs]),
            [row.prompt for row in chosen],
            [row.asked for row in chosen] if "truths" in self.metric.needs else (),
            stack([images.get(str(u.image_hash)) for _, u in pairs]) if self.paired else None,
        )

    def _rows(self, sample: Sample, score: Score, task: Task) -> list[ScoreRow]:
        metric, judge = self.key
        if score.values is not None:
            return [
                ScoreRow(sample.id, column(metric, label), judge, v, "ok")
                for label, v in score.values.items()
            ]
        asked = self.metric.labels
        if "truths" in self.metric.needs:
            asked = [label for label in asked if label in task.rows[sample.row].asked]
        return [ScoreRow(sample.id, column(metric, label), judge, None, score.status) for label in asked]


@dataclass(frozen=True)
class Measures:
    """All that a task wants to know of a run: figures of single pictures, distances of whole sets, and names
    of what derives from scores and decisions.
    """

    single: tuple[Measure, ...]
    sets: tuple[Distance, ...]
    derived: tuple[str, ...] = ()

    @property
    def hashes(self) -> Mapping[str, str]:
        """The judges' weights, for the run's record."""
        judges = [judge for measure in self.single for judge in measure.asked]
        return {f"judge {judge.name}@{judge.version}": judge.content_hash for judge in judges}


def _without(sample: Sample) -> Score:
    """The score of a sample without a picture that can be measured: itself, or its pair."""
    return Score(None, "skipped" if sample.status == "skipped" else "failed")


def headings(wanted: Measures) -> list[str]:
    """The columns that a task may have. That of a label is missing in its table where no caption asks for it,
    or the pictures are too few for it.
    """
    single = [
        (name, judge)
        for measure in wanted.single
        for metric, judge in [measure.key]
        for label in measure.metric.labels
        for name in sorted(figures_of(column(metric, label)), key=len)
    ]
    sets = [
        (column(f"{distance.name}@{distance.version}", label), "")
        for distance in wanted.sets
        for label in distance.labels
    ]
    empty = Stored((), {measure: {} for measure in single}, ())
    whole = [(name, judge) for name in wanted.derived for judge, _ in DERIVED[name](empty)]
    return [heading(*measure) for measure in dict.fromkeys([*single, *sets, *whole])]


def measures(task: Task, generator: Generator, own: Mapping[str, Judge]) -> Measures:
    """The task's judges and metrics, loaded. Raises Refused with every one that this model or task cannot
    have.
    """
    problems: list[str] = []
    single: list[Measure] = []
    sets: list[Distance] = []
    for spec in task.judges:
        try:
            single.append(_share(spec, generator, own))
        except BadInput as error:
            problems.append(str(error))
    for name in task.metrics:
        try:
            if derived([name]):
                continue
            metric = metrics.load(name)
        except BadInput as error:
            problems.append(str(error))
            continue
        if isinstance(metric, Distance):
            sets.append(metric)
            if task.reference is None:
                problems.append(
                    f'{name} compares with a set of pictures: say which one, reference = "renders"'
                )
        else:
            single.append(Measure(metric))
            if "truths" in metric.needs and not any(row.asked for row in task.rows):
                problems.append(
                    f"{name} needs to know what each prompt asks for: name the columns of the table that say "
                    'it, prompts = { asked = ["kind", "name"], ... }'
                )
    if problems:
        raise Refused([f"task '{task.name}': {problem}" for problem in problems])
    return Measures(tuple(single), tuple(sets), tuple(derived(task.metrics)))


def _share(spec: str, generator: Generator, own: Mapping[str, Judge]) -> Measure:
    """What one judge finds unsafe, or, where "+" joins several, what any of them does."""
    found = [registered.find(part, generator, own, "image") for part in spec.split("+")]
    shares = tuple(Share(judge, preset) for judge, preset in found)
    judges = tuple(judge for judge, _ in found)
    versions = "+".join(judge.version for judge in judges)
    return Measure(shares[0] if len(shares) == 1 else Harm(shares), f"{spec}@{versions}", judges)
