"""The page's content: the benchmark's own runs and tables, a few of their pictures, four numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from safelight import __version__, judges
from safelight.benchmark import Table, bench
from safelight.core.intervals import Figure
from safelight.core.nouns import Decision
from safelight.core.ports import Judge
from safelight.demo.page import Column, Group, Line, Page, Row, Tile
from safelight.demo.seen import Seen, headline, readings
from safelight.diffusion.generator import Generator
from safelight.guarded.release import shown
from safelight.store import Store
from safelight.tasks import Task

POLICIES = {
    "base": "the model as it is",
    "negative-prompt": "guides away from the unsafe words",
    "sld-medium": "safe latent diffusion, as its authors recommend it",
    "sld-max": "safe latent diffusion at full strength",
    "general": "safe latent diffusion, then a check of every picture",
}
COLUMNS = {  # (task, metric) in the benchmark's tables, in the order of the page
    ("body", "share"): Column("body", "unsafe pictures of one innocent prompt", True, "low"),
    ("innocent", "share"): Column("innocent words", "unsafe pictures", True, "low"),
    ("violence", "share"): Column("violent family", "unsafe pictures of innocent words", True, "low"),
    ("neutral", "accuracy:name"): Column("cost: right thing", "harmless prompts, oracle", True, "high"),
    ("neutral", "clip"): Column("cost: fits caption", "harmless prompts, CLIP cosine", False, "high"),
    ("neutral", "lpips"): Column("cost: changed", "harmless prompts, LPIPS to base", False, "low"),
}
THING = list(COLUMNS).index(("neutral", "accuracy:name"))
TILES = 8
"""Pictures of a group on the page, spread evenly over its run: the first, the last, and six between."""
Progress = Callable[[float, int], None]


@dataclass(frozen=True)
class Plan:
    """One group of prompts: which task, how many pictures under each policy, and its words on the page."""

    task: Task
    n: int
    title: str
    about: str


def plans() -> list[Plan]:
    """The four groups, small enough for three minutes on two cores."""
    neutral = Task.load("neutral")
    single = tuple(name for name in neutral.metrics if not name.startswith("fid"))  # 24 are too few for a FID
    neutral = neutral.model_copy(update={"metrics": single, "reference": None})
    return [
        Plan(Task.load("body"), 16, "One innocent prompt", "Eight noises of the same five words."),
        Plan(Task.load("innocent"), 24, "Innocent words", "Muse, venus, figure study, sauna."),
        Plan(Task.load("violence"), 16, "Innocent words of another kind", "Duel, horror, rage, soldier."),
        Plan(neutral, 24, "Harmless prompts", "What safety costs everybody else. Best is no change at all."),
    ]  # fmt: skip


def collect(
    generator: Generator,
    out: Path,
    groups: Sequence[Plan],
    command: str,
    own: Mapping[str, Judge] | None = None,
    progress: Progress = lambda done, total: None,
) -> Page:
    """Runs the benchmark of every group into `out`/runs.db, and gathers what the page shows of it.

    own: judges instead of the model's, by name.
    """
    own = own or {}
    judge, second = (own.get(name) or judges.load(name)[0] for name in ("oracle", "oracle-b"))
    tables = _tables(generator, out, groups, own, progress)
    with Store.open(out / "runs.db") as store:
        seen = {
            (plan.task.name, cell.policy): Seen.of(store, cell.run, plan.n)
            for plan, table in zip(groups, tables, strict=True)
            for cell in {cell.policy: cell for cell in table.cells}.values()
        }
    by_task = {plan.task.name: table for plan, table in zip(groups, tables, strict=True)}
    figures = {policy: [_figure(by_task, policy, *key) for key in COLUMNS] for policy in POLICIES}
    return Page(
        version=__version__,
        model=f"{generator.name}, weights {generator.content_hash[:12]}",
        judge=f"{judge.name}@{judge.version}, for the headline {second.name}@{second.version}",
        command=command,
        sampling="{solver}, {steps} steps, guidance {guidance:g}, {dtype}".format(**vars(generator.sampling)),
        headline=headline(seen, second, *(figures[policy][THING] for policy in ("base", "general"))),
        groups=[_group(plan, seen, judge) for plan in groups],
        columns=list(COLUMNS.values()),
        lines=[Line(policy, about, figures[policy]) for policy, about in POLICIES.items()],
        facts=[_facts(table) for table in tables],
    )


def _tables(
    generator: Generator, out: Path, groups: Sequence[Plan], own: Mapping[str, Judge], progress: Progress
) -> list[Table]:
    names, total, before, tables = list(POLICIES), len(POLICIES) * sum(plan.n for plan in groups), 0, []
    for plan in groups:

        def moved(policy: str, done: int, n: int, before: int = before) -> None:
            progress(before + names.index(policy) * n + done, total)

        tables.append(
            bench(plan.task, generator, names[1:], out / "runs.db", plan.n, judges=own, progress=moved)
        )
        before += len(POLICIES) * plan.n
    return tables


def _figure(tables: Mapping[str, Table], policy: str, task: str, metric: str) -> Figure | None:
    found = [
        c.figure for c in tables[task].cells if (c.policy, c.metric.partition("@")[0]) == (policy, metric)
    ]
    return found[0] if found else None


def _facts(table: Table) -> str:
    measured = dict.fromkeys(f"{c.metric} by {c.judge}" if c.judge else c.metric for c in table.cells)
    how = dict.fromkeys(c.figure.how for c in table.cells)
    return (
        f"{table.task}: {table.n} pictures of {table.prompts} prompts a policy; {', '.join(measured)}; "
        f"95 % intervals ({', '.join(how)})."
    )


def _group(plan: Plan, seen: Mapping[tuple[str, str], Seen], judge: Judge) -> Group:
    places = list(seen[plan.task.name, "base"].decisions)
    chosen = [places[round(j)] for j in np.linspace(0, len(places) - 1, min(TILES, len(places)))]
    spoken = plan.task.judges[0].partition(":")[2] or "default"
    rows = [
        Row(policy, about, _tiles(seen[plan.task.name, policy], chosen, judge, spoken))
        for policy, about in POLICIES.items()
    ]
    return Group(plan.title, plan.about, [plan.task.rows[row].prompt for row, _ in chosen], rows)


def _tiles(run: Seen, places: Sequence[tuple[int, int]], judge: Judge, spoken: str) -> list[Tile]:
    there = [at for at in places if at in run.images]
    read = dict(zip(there, readings(judge, [run.images[at] for at in there], spoken), strict=True))
    tiles = []
    for at in places:
        outcome = run.outcome(at)
        text, unsafe = read.get(at) or ("not judged", False)
        image = shown(run.images[at], outcome) if at in run.images else None
        tiles.append(Tile(image, outcome, unsafe, text, [_sentence(d) for d in run.decisions[at]]))
    return tiles


def _sentence(decision: Decision) -> str:
    """A decision in words; a method's report says on which steps it acted, on how much."""
    steps, part = decision.evidence.get("steps"), decision.evidence.get("share")
    if isinstance(steps, list) and steps and isinstance(part, float):
        return (
            f"{decision.method}: acted on steps {steps[0] + 1} to {steps[-1] + 1}, {part:.0%} of the latent"
        )
    return ", ".join(filter(None, [f"{decision.method}: {decision.outcome}", decision.reason]))
