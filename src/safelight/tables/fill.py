"""Runs a table: first its trainings, then every row on every task, on the same noise, in one database.

Artifacts lie beside the database, in the folder with the ending .artifacts, each with its checkpoints and
record. What is there is not made again, and what was stopped goes on. Processes may share a table, each with
its shard: they train different rows, wait for each other's, and draw different blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from safelight.benchmark import BASE, Table
from safelight.benchmark.measures import headings, measures
from safelight.benchmark.protocol import sampling_of
from safelight.benchmark.runner import Grid, part_of
from safelight.benchmark.section import FILES
from safelight.core.errors import BadInput, Refused, UnknownName
from safelight.core.intervals import Figure, mean
from safelight.core.ports import Judge
from safelight.core.valid import whole
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.diffusion.meter import Meter
from safelight.diffusion.peak import Peak
from safelight.policies import Policy
from safelight.store import Store
from safelight.tables.filled import Entry, Filled
from safelight.tables.layout import Layout, Row
from safelight.tables.rows import concept, policy, refuse, trained
from safelight.tasks import Task

Progress = Callable[[str, int, int, str], None]
"""Called with what is made, how much of it is done, how much there is, and a note."""


def quiet(what: str, done: int, total: int, note: str) -> None:
    """No progress."""


def fill(
    table: Layout | str | Path,
    model: Generator | str | Path = "miniature",
    out: str | Path = "runs.db",
    n: int | None = None,
    *,
    prompts: Mapping[str, str | Path] | None = None,
    judges: Mapping[str, Judge] | None = None,
    published: bool = False,
    shard: str = "1/1",
    dtype: str | None = None,
    progress: Progress = quiet,
) -> Filled:
    """Train what a table's rows need, then draw and measure n pictures of each task in each row.

    Args:
        table: a name, a TOML file, or what `Layout.load` gave.
        out: database file; runs and artifacts that are there already are not made again.
        n: by default the table's own, or the whole of each task.
        prompts: by task, the file of each that draws published prompts, or the hub's data set.
        judges: judges of your own, by the name that tasks and policies give them.
        published: the schedules of the methods' authors instead of the fast ones.
        shard: "i/m": what the i-th of m processes makes. The table has no figures before the last is done.
        dtype: of the pictures' sampling, by default the model's own; trainings are in float32.

    Raises:
        BadInput, UnknownName, Refused: something in the table is unusable, or not for this model. Before any
            training or picture.
        Diverged: a loss or gradient is not finite.
    """
    layout, part = table if isinstance(table, Layout) else Layout.load(table), part_of(shard)
    n = layout.n if n is None else n
    if n is not None:
        whole("n", n, 1)
    folder = _beside(out)
    _demand(problem for row in layout.row for problem in refuse(row, None, published))
    tasks = layout.loaded(prompts)
    generator = model if isinstance(model, Generator) else load(model, dtype=dtype)
    full = isinstance(model, Generator) or generator.sampling.dtype == "float32"
    learner = generator if full else load(model, dtype="float32")
    _demand(_unmeasured(layout, tasks, generator, judges or {}))
    _demand(problem for row in layout.row for problem in refuse(row, learner, published))
    with Store.open(out):
        pass  # a place that cannot be written is refused here
    made = {
        row.name: trained(row, learner, folder, published, _under(row.name, progress))
        for row in _ordered([row for row in layout.row if row.train], *part)
    }
    policies = [policy(row, made) for row in layout.row]
    by = {f"table {layout.id}": "published" if published else "fast"}
    if prompts:
        by[FILES] = " ".join(prompts)
    grids = [partial(Grid.of, task, generator, policies, n, judges=judges, by=by) for task in tasks]
    for k, grid in enumerate(grids):
        grid().draw(out, _turned(*part, k), _under(tasks[k].name, progress))
    tables = tuple(grid().table(out) for grid in grids)
    if not all(table.cells for table in tables):
        return Filled(layout, published, tables, ())
    concepts = {row.name: concept(row, published) for row in layout.row}
    entries = tuple(
        Entry(
            each.name,
            concepts.get(each.name, ""),
            made.get(each.name),
            *_alone(each, generator, tasks[0], tables[0].n, judges),
            _seconds(each.name, tables, out),
        )
        for each in (BASE, *policies)
    )
    return Filled(layout, published, tables, entries)


def _demand(problems: Iterable[str]) -> None:
    if found := list(problems):
        raise Refused(found)


def _unmeasured(
    layout: Layout, tasks: Sequence[Task], generator: Generator, judges: Mapping[str, Judge]
) -> list[str]:
    """The tasks that cannot be measured on this model, and the columns that they have not got."""
    found: list[str] = []
    for task, columns in zip(tasks, layout.tasks.values(), strict=True):
        try:
            known = headings(measures(task, generator, judges))
        except Refused as refused:
            found += refused.problems
            continue
        found += [str(UnknownName(f"column of {task.name}", c, known)) for c in columns if c not in known]
    return found


def _ordered(rows: Sequence[Row], i: int, m: int) -> list[Row]:
    """The i-th process's own rows first; what it finds of the others' is made, or was left by one that
    stopped.
    """
    return [*rows[i - 1 :: m], *(row for k, row in enumerate(rows) if k % m != i - 1)]


def _turned(i: int, m: int, k: int) -> tuple[int, int]:
    """The part of the k-th task: each process takes the larger one in turn, where blocks do not come out
    even.
    """
    return (i - 1 + k) % m + 1, m


def _alone(
    each: Policy, generator: Generator, task: Task, n: int, judges: Mapping[str, Judge] | None
) -> tuple[int, int | None]:
    """The rows of the network for one picture of a task, and the most memory that drawing it alone holds."""
    row, _, seed = task.sample(0)
    methods = each.bind(generator, judges).methods
    with Meter(generator.backbone) as meter, Peak(generator.backbone.device) as peak:
        generator.run([row.prompt], [seed], methods, sampling_of(task, generator, n))
    return meter.take(), peak.bytes


def _seconds(name: str, tables: Sequence[Table], out: str | Path) -> Figure:
    """Of a row's pictures on all tasks."""
    runs = {cell.run: table.n for table in tables for cell in table.cells if cell.policy == name}
    with Store.open(out) as store:
        samples = [sample for run, n in runs.items() for sample in store.samples(run)[:n]]
    times = [None if sample.ms is None else sample.ms / 1000 for sample in samples]
    return mean(times, [(sample.task, sample.row) for sample in samples])


def _beside(out: str | Path) -> Path:
    if "://" in str(out):
        raise BadInput(f"a table's artifacts lie beside its database: out must be a file, got {out}")
    return Path(out).expanduser().with_suffix(".artifacts")


def _under(name: str, progress: Progress) -> Callable[..., None]:
    """The progress of one row's training or of one task."""
    return lambda what, done, total, note="": progress(f"{name}: {what}", done, total, note)
