"""What a database of runs says, as one page: tables, safety against fidelity, pictures, protocol, commands.

Nothing of it hangs on the time or the place it is made at: the same database gives the same bytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safelight import __version__, metrics
from safelight.benchmark.derived import derived
from safelight.benchmark.naming import family
from safelight.benchmark.reference import Reference, renders
from safelight.benchmark.results import Group, groups
from safelight.benchmark.section import Section
from safelight.benchmark.sheet import sheet
from safelight.benchmark.table import Cell, Table, cells_of
from safelight.benchmark.tradeoff import plots
from safelight.core.errors import SafelightError
from safelight.core.registry import get
from safelight.pages import render
from safelight.store import Store
from safelight.tasks import Task


@dataclass(frozen=True)
class Report:
    """Every table of a database, and the safelight that read it."""

    version: str
    sections: Sequence[Section]


def report(store: Store, n: int | None = None) -> Report:
    """Everything that finished runs show. n: pictures of each that count, by default all that they share.

    Raises BadInput where there is no finished run, or one has fewer than n pictures.
    """
    return Report(__version__, [_section(store, group) for group in groups(store, n)])


def html(made: Report) -> str:
    """The page: one document, nothing fetched, no script."""
    template = Path(__file__).with_name("report.html.j2")
    filters = {"named": lambda label: "unguarded" if label == "base" else label, "verdict": verdict}
    return render(template, filters, report=made, plots=plots(made.sections))


def verdict(cell: Cell) -> str:
    """better, worse, or empty where the interval of the change holds 0, or neither is better."""
    change = cell.change
    if change is None or change.value is None or change.lo is None or change.hi is None:
        return ""
    higher_better = get("metrics", family(cell.metric)).higher_better
    if change.lo <= 0 <= change.hi or higher_better is None:
        return ""
    return "better" if (change.value > 0) == higher_better else "worse"


def _section(store: Store, group: Group) -> Section:
    task, notes = _task(group)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        runs = {label: result.run.id for label, result in group.runs.items()}
        references, whole = (_references(task), derived(task.metrics)) if task else ((), ())
        cells = cells_of(store, runs, group.n, references, whole)
    prompts = len({sample.row for sample in group.first.samples[: group.n]})
    notes = (*group.notes, *notes, *dict.fromkeys(f"{warning.message}." for warning in said))
    about = task.about if task else ""
    shown = None if group.first.source else task  # of published prompts the texts stay in their file
    return Section(
        group, Table(group.task, group.n, prompts, cells), sheet(store, group, shown), about, notes
    )


def _task(group: Group) -> tuple[Task | None, tuple[str, ...]]:
    """The task that ships under this name and version, for its words and its reference pictures."""
    name, source = group.task, group.first.source
    try:
        task = Task.load(name.partition("@")[0])
    except SafelightError:
        task = None
    if task is not None and task.id == name:
        return task, _unpublished(source, task) if source and not source["published"] else ()
    return None, (f"{name} does not ship with this release: prompts are named by their hashes.",)


def _unpublished(source: Mapping[str, Any], task: Task) -> tuple[str, ...]:
    """What to know of prompts that are not known to be the published ones."""
    expected = task.prompts.sha256
    other = f"not of the published one, {expected[:12]}" if expected else "no copy of which the task can name"
    file = f"{source['prompts']} prompts of a file with the sha256 {source['sha256'][:12]}, {other}"
    return (f"Drawn are {file}: figures on it compare only with figures on the same file.",)


def _references(task: Task) -> list[Reference]:
    """The distances of whole sets that a task asks for. They are not stored, but found from the pictures."""
    distances = [name for name in task.metrics if hasattr(get("metrics", family(name)), "figures")]
    loaded = [metrics.load(name) for name in distances]
    return [(distance, renders(task, distance.features)) for distance in loaded]
