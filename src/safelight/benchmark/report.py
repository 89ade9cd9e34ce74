"""What a database of runs says, as one page: tables, safety against fidelity, pictures, protocol, commands.

Nothing of it hangs on the time or the place it is made at: the same database gives the same bytes.
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safelight import __version__, metrics
from safelight.benchmark.compare import flat
from safelight.benchmark.naming import family
from safelight.benchmark.pareto import Plot, Point
from safelight.benchmark.reference import Reference, renders
from safelight.benchmark.results import Group, groups
from safelight.benchmark.sheet import UNSAFE, Sheet, sheet
from safelight.benchmark.table import Cell, Table, cells_of
from safelight.core.errors import SafelightError
from safelight.core.intervals import Figure
from safelight.core.records import canonical, digest
from safelight.core.registry import get, names
from safelight.pages import render
from safelight.store import Store
from safelight.tasks import Task

Measure = tuple[str, str]
"""Metric and judge, with versions."""
FIDELITY = ("lpips", "clip")
"""What may stand against safety, the first that was measured."""
ITSELF = Figure(0.0, None, None, 0, 0, "the unguarded model is what the others are compared with")


@dataclass(frozen=True)
class Section:
    """One table with what belongs to it."""

    group: Group
    table: Table
    sheet: Sheet
    about: str
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{self.group.task} on {self.group.first.config['model']['name']}"

    @property
    def measures(self) -> list[Measure]:
        """The columns."""
        return list(dict.fromkeys((cell.metric, cell.judge) for cell in self.table.cells))

    def cell(self, label: str, measure: Measure) -> Cell | None:
        found = [c for c in self.table.cells if (c.policy, c.metric, c.judge) == (label, *measure)]
        return found[0] if found else None

    @property
    def redo(self) -> str:
        """The command that makes these runs anew. A policy that does not ship is named by its file."""
        config = self.group.first.config
        words = ["safelight", "bench", self.group.task.partition("@")[0], "--model", config["model"]["name"]]
        for policy in dict.fromkeys(r.policy for r in self.group.runs.values()):
            if policy != "base":
                words += ["--policy", policy if policy in names("policies") else f"{policy}.toml"]
        words += ["-n", str(self.group.n), "--dtype", config["protocol"]["dtype"], "--out", "runs.db"]
        return shlex.join(words)

    @property
    def protocol(self) -> dict[str, str]:
        """What all runs of the table share: everything that decides a picture's bytes, and what judged it."""
        first, samples = self.group.first, self.group.first.samples[: self.group.n]
        prompts = [[s.row, s.k, s.prompt_hash] for s in samples]
        return {
            "task": self.group.task,
            "model": first.config["model"]["name"],
            "weights": f"sha256 {first.config['model']['hash']}",
            "prompts": f"{self.table.prompts} in {self.table.n} pictures, sha256 {digest(prompts)}",
            "noise": f"one seed a picture, the same under every policy, sha256 {digest([s.seed for s in samples])}",
            "first seeds": ", ".join(str(s.seed) for s in samples[:4]),
            **flat(first.config["protocol"]),
            "measures": ", ".join(
                f"{metric} by {judge}" if judge else metric for metric, judge in self.measures
            ),
            **self._shared,
        }

    def policies(self) -> dict[str, dict[str, str]]:
        """By label, what is a run's own."""
        return {
            label: {
                "run": result.run.id,
                "methods": canonical(result.config["policy"]["methods"]),
                "checks": canonical(result.config["policy"]["checks"]),
                **{name: v for name, v in self._told(label).items() if name not in self._shared},
            }
            for label, result in self.group.runs.items()
        }

    def _told(self, label: str) -> dict[str, str]:
        run = self.group.runs[label].run
        return {"commit": run.git_rev or "unknown", **dict(sorted(run.versions.items()))}

    @property
    def _shared(self) -> dict[str, str]:
        told = [self._told(label) for label in self.group.runs]
        return {name: v for name, v in told[0].items() if all(other.get(name) == v for other in told)}


@dataclass(frozen=True)
class Report:
    """Every table of a database."""

    version: str
    sections: Sequence[Section]

    @property
    def numbers(self) -> Mapping[str, int]:
        """A number for each policy, the same in every plot."""
        labels = dict.fromkeys(label for section in self.sections for label in section.group.runs)
        return {label: i for i, label in enumerate(labels)}

    @property
    def plots(self) -> list[Plot]:
        """Safety against fidelity, for each table that measures what is unsafe."""
        return [plot for section in self.sections if (plot := self._plot(section))]

    def _plot(self, section: Section) -> Plot | None:
        unsafe = next((m for m in section.measures if family(m[0]) in UNSAFE), None)
        source, measure = _fidelity(section, self.sections)
        if unsafe is None or source is None or measure is None:
            return None
        metric = get("metrics", family(measure[0]))
        points = []
        for label, result in section.group.runs.items():
            same = [l for l, r in source.group.runs.items() if r.config["policy"] == result.config["policy"]]
            x = source.cell(same[0], measure) if same else None
            y = section.cell(label, unsafe)
            across = x.figure if x else ITSELF if result.policy == "base" and same else None
            if across and across.value is not None and y and y.figure.value is not None:
                points.append(Point(self.numbers[label], label, across, y.figure))
        where = "" if source is section else f" on {source.group.task.partition('@')[0]}"
        x_name = (
            f"{measure[0].partition('@')[0]}{where}, {'more' if metric.higher_better else 'less'} is better"
        )
        y_name = f"unsafe pictures by {unsafe[1].partition('@')[0]}, %"
        return Plot(section.title, x_name, y_name, points, metric.higher_better) if points else None


def report(store: Store, n: int | None = None) -> Report:
    """Everything that finished runs show. n: pictures of each that count, by default all that they share.

    Raises BadInput where there is no finished run, or one has fewer than n pictures.
    """
    return Report(__version__, [_section(store, group) for group in groups(store, n)])


def html(made: Report) -> str:
    """The page: one document, nothing fetched, no script."""
    template = Path(__file__).with_name("report.html.j2")
    filters = {"named": lambda label: "unguarded" if label == "base" else label, "verdict": verdict}
    return render(template, filters, report=made)


def verdict(cell: Cell) -> str:
    """better, worse, or empty where the interval of the change holds 0."""
    change = cell.change
    if change is None or change.value is None or change.lo is None or change.hi is None:
        return ""
    if change.lo <= 0 <= change.hi:
        return ""
    return "better" if (change.value > 0) == get("metrics", family(cell.metric)).higher_better else "worse"


def _section(store: Store, group: Group) -> Section:
    task, notes = _task(group.task)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        runs = {label: result.run.id for label, result in group.runs.items()}
        cells = cells_of(store, runs, group.n, _references(task) if task else ())
    prompts = len({sample.row for sample in group.first.samples[: group.n]})
    notes = (*group.notes, *notes, *dict.fromkeys(f"{warning.message}." for warning in said))
    about = task.about if task else ""
    return Section(group, Table(group.task, group.n, prompts, cells), sheet(store, group, task), about, notes)


def _task(name: str) -> tuple[Task | None, tuple[str, ...]]:
    """The task that ships under this name and version, for its words and its reference pictures."""
    try:
        task = Task.load(name.partition("@")[0])
    except SafelightError:
        task = None
    if task is not None and task.id == name:
        return task, ()
    return None, (f"{name} does not ship with this release: prompts are named by their hashes.",)


def _references(task: Task) -> list[Reference]:
    """The distances of whole sets that a task asks for. They are not stored, but found from the pictures."""
    distances = [name for name in task.metrics if hasattr(get("metrics", family(name)), "figures")]
    loaded = [metrics.load(name) for name in distances]
    return [(distance, renders(task, distance.features)) for distance in loaded]


def _fidelity(section: Section, sections: Sequence[Section]) -> tuple[Section | None, Measure | None]:
    """Where and by what fidelity is measured: here or, of the same model, where it is the task."""
    near = [section, *(s for s in sections if s.group.first.setting == section.group.first.setting)]
    for wanted in FIDELITY:
        for source in near:
            for measure in source.measures:
                if family(measure[0]) == wanted:
                    return source, measure
    return None, None
