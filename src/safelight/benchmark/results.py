"""Runs read back from a database, and which of them belong into one table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safelight.core.errors import BadInput, UnknownName
from safelight.core.records import Run, Sample, canonical, digest
from safelight.store import Store


@dataclass(frozen=True)
class Result:
    """One run of a benchmark: its configuration, and its pictures in the order of the task."""

    run: Run
    config: Mapping[str, Any]
    samples: Sequence[Sample]

    @property
    def task(self) -> str:
        return self.config["task"]

    @property
    def source(self) -> Mapping[str, Any]:
        """The published file of its prompts, as `Task.source` has it."""
        return self.config.get("prompts", {})

    @property
    def policy(self) -> str:
        return self.config["policy"]["name"]

    @property
    def setting(self) -> str:
        """The same for runs of one model that sample alike, on whatever task and in whatever blocks."""
        protocol = {name: value for name, value in self.config["protocol"].items() if name != "block"}
        return digest([self.config["model"], protocol])

    @property
    def spelled(self) -> str:
        """How a person tells this run from the others."""
        return f"{self.task.partition('@')[0]}/{self.policy} ({self.run.id[:8]})"


@dataclass(frozen=True)
class Group:
    """Runs that differ in their policies alone: one task, one model, the same bytes of noise.

    runs: by label, the unguarded model first. n: pictures that each of them has. notes: what a reader of the
    table must know, a sentence each.
    """

    task: str
    runs: Mapping[str, Result]
    n: int
    notes: tuple[str, ...]

    @property
    def first(self) -> Result:
        return next(iter(self.runs.values()))


def opened(db: str | Path) -> Store:
    """A database that is there. Raises BadInput where there is none, and creates nothing."""
    if "://" not in str(db) and not Path(db).is_file():
        raise BadInput(f"there is no database {db}; safelight bench TASK --out {db} makes one")
    return Store.open(db)


def results(store: Store) -> list[Result]:
    """Every run of a benchmark, in an order that hangs on nothing but the runs."""
    configs = [(run, json.loads(run.config_json)) for run in store.runs()]
    found = [
        Result(run, config, store.samples(run.id))
        for run, config in configs
        if config.get("command") == "bench"
    ]
    return sorted(found, key=lambda r: (r.task, r.config["model"]["name"], r.setting, *_place(r)))


def find(store: Store, name: str) -> Result:
    """The run with this policy, TASK/POLICY, or beginning of its id.

    Raises:
        UnknownName: there is none.
        BadInput: there are several, which the sentence tells apart.
    """
    known = results(store)
    found = [r for r in known if name in _names(r) or (len(name) >= 6 and r.run.id.startswith(name))]
    if not found:
        raise UnknownName("run", name, [spelling for r in known for spelling in _names(r)])
    if len(found) > 1:
        listed = ", ".join(r.spelled for r in found)
        raise BadInput(f"'{name}' is {len(found)} runs: {listed}. Name one by TASK/POLICY or by its id")
    return found[0]


def groups(store: Store, n: int | None = None) -> list[Group]:
    """The finished runs, table by table.

    n: pictures of each run that count; by default as many as all runs of a table have.

    Raises:
        BadInput: there is no finished run, or one has fewer than n pictures.
    """
    tables: dict[tuple[str, str, str], list[Result]] = {}
    for result in results(store):
        tables.setdefault((result.task, canonical(result.source), result.run.protocol_hash), []).append(
            result
        )
    found = [_group(members, n) for members in tables.values() if any(map(_done, members))]
    if not found:
        raise BadInput(f"{store.engine.url.database} holds no finished benchmark; safelight bench makes one")
    return found


def _group(members: Sequence[Result], n: int | None) -> Group:
    done = [result for result in members if _done(result)]
    notes = [
        f"Left out: {r.policy}, which is {r.run.status} with {len(r.samples)} pictures."
        for r in members
        if not _done(r)
    ]
    fewest, most = (pick(done, key=lambda r: len(r.samples)) for pick in (min, max))
    if n is not None and n > len(fewest.samples):
        raise BadInput(
            f"{fewest.spelled} has {len(fewest.samples)} pictures, not {n}: make more with safelight bench"
        )
    if n is None and len(fewest.samples) < len(most.samples):
        notes.append(
            f"Of each run the first {len(fewest.samples)} pictures count: {fewest.policy} has no more, "
            f"{most.policy} has {len(most.samples)}."
        )
    if done[0].policy != "base":
        notes.append(f"The unguarded model is not among the runs: changes are those from {done[0].policy}.")
    count = Counter(result.policy for result in done)
    label = {r.run.id: r.policy + (f" {r.run.id[:8]}" if count[r.policy] > 1 else "") for r in done}
    runs = {label[result.run.id]: result for result in done}
    return Group(done[0].task, runs, n or len(fewest.samples), tuple(notes))


def _done(result: Result) -> bool:
    return result.run.status == "done" and bool(result.samples)


def _place(result: Result) -> tuple[bool, str, str]:
    """The unguarded model first, then by name."""
    return result.policy != "base", result.policy, result.run.id


def _names(result: Result) -> tuple[str, ...]:
    return result.policy, f"{result.task.partition('@')[0]}/{result.policy}", f"{result.task}/{result.policy}"
