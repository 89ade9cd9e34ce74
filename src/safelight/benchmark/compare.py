"""Two runs side by side: on what they differ, and by how much, picture by picture on the same noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from safelight.benchmark.results import Result
from safelight.benchmark.table import Cell, cells_of, figures_of
from safelight.core.errors import BadInput, Refused
from safelight.core.records import canonical
from safelight.store import Store

Measured = Mapping[tuple[str, str], tuple[str, str]]
"""Metric and judge without versions -> with versions."""


@dataclass(frozen=True)
class Comparison:
    """B against A on their first n pictures. axes: what differs -> the value in A and in B, None for absent.

    pairs: the cells of A and of B for each measure that both have; B's holds the paired difference.
    only: measures that just one of them has.
    """

    a: Result
    b: Result
    n: int
    axes: Mapping[str, tuple[str | None, str | None]]
    pairs: tuple[tuple[Cell, Cell], ...]
    only: tuple[str, ...]

    def json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "a": {"run": self.a.run.id, "policy": self.a.policy},
            "b": {"run": self.b.run.id, "policy": self.b.policy},
            "task": self.a.task, "n": self.n, "axes": self.axes, "only": self.only,
            "cells": [asdict(cell) for pair in self.pairs for cell in pair],
        }  # fmt: skip


def comparison(store: Store, a: Result, b: Result) -> Comparison:
    """The difference of two runs from their stored scores.

    Raises:
        BadInput: they are one run.
        Refused: they are not of one task, on one noise, by one version of metrics and judges.
    """
    if a.run.id == b.run.id:
        raise BadInput(f"both names are the run {a.spelled}: name two")
    n = min(len(a.samples), len(b.samples))
    ours, theirs = _measured(store, a), _measured(store, b)
    if problems := _problems(a, b, ours, theirs, n):
        raise Refused([f"{a.spelled} and {b.spelled}: {problem}" for problem in problems])
    cells = cells_of(store, {"A": a.run.id, "B": b.run.id}, n)
    at = {(cell.policy, cell.metric, cell.judge): cell for cell in cells}
    shared = [ours[key] for key in ours if key in theirs]
    pairs = tuple((at["A", *measure], at["B", *measure]) for measure in shared)
    only = tuple(" ".join(filter(None, reversed(key))) for key in sorted(ours.keys() ^ theirs.keys()))
    return Comparison(a, b, n, differences(_axes(a), _axes(b)), pairs, only)


def differences(a: Mapping[str, str], b: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """The names under which two flat tables differ, with both values."""
    return {
        name: (a.get(name), b.get(name)) for name in sorted({*a, *b}) if a.get(name) != b.get(name)
    }  # fmt: skip


def flat(value: Any, name: str = "") -> dict[str, str]:
    """Nested settings as one table: {"policy": {"methods": [{"use": "sld"}]}} -> policy.methods.1.use."""
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        value = {str(i): item for i, item in enumerate(value, 1)}
    if isinstance(value, list):
        return {name.removeprefix("."): ", ".join(value)} if value else {}
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in flat(inner, f"{name}.{key}").items()}
    return {name.removeprefix("."): value if isinstance(value, str) else canonical(value)}


def _axes(result: Result) -> dict[str, str]:
    run = result.run
    told = {name: part for name, part in result.config.items() if name not in ("command", "task")}
    versions = {f"version of {name}": version for name, version in run.versions.items()}
    return flat(told) | versions | {"commit": run.git_rev or "", "status": run.status}


def _problems(a: Result, b: Result, ours: Measured, theirs: Measured, n: int) -> list[str]:
    if a.task != b.task:
        return [f"pictures of {a.task} do not compare with pictures of {b.task}: take two runs of one task"]
    problems = [
        f"{' and '.join(ours[key])} there, {' and '.join(theirs[key])} here: versions do not compare; "
        "the same safelight bench command scores the stored pictures anew"
        for key in ours
        if key in theirs and ours[key] != theirs[key]
    ]
    for name, sha in a.run.versions.items():
        if name.startswith("judge ") and b.run.versions.get(name, sha) != sha:
            problems.append(f"the {name} has other weights in each; judge both with one")
    if not ours.keys() & theirs.keys():
        problems.append("no measure in common; the same safelight bench command scores the stored pictures")
    pairs = list(zip(a.samples[:n], b.samples[:n], strict=True))
    if any((x.row, x.k, x.prompt_hash) != (y.row, y.k, y.prompt_hash) for x, y in pairs):
        problems.append(f"the prompts of {a.task} are not the same in both, though its version is")
    elif any(x.seed != y.seed for x, y in pairs):
        problems.append("they are on different noise and make no pairs")
    return problems


def _measured(store: Store, result: Result) -> Measured:
    scores = store.scores(result.run.id)
    names = sorted({(name, s.judge) for s in scores for name in figures_of(s.metric)})
    return {tuple(name.partition("@")[0] for name in both): both for both in names}  # pyright: ignore[reportReturnType]
