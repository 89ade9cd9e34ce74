"""One table of a report with all that belongs to it: notes, pictures, protocol and the command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from safelight.benchmark.compare import flat
from safelight.benchmark.results import Group, Result
from safelight.benchmark.sheet import Sheet
from safelight.benchmark.table import Cell, Table
from safelight.core.records import canonical, digest
from safelight.core.registry import names

FILES = "prompts from files"
"""Names in the record of a table's run the tasks that were given a file of prompts, parted by spaces."""
Measure = tuple[str, str]
"""Metric and judge, with versions."""


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
        """The commands that make these runs anew, a line each: tables that runs are rows of, then policies.
        What does not ship is named by its file.
        """
        guarded = [result for result in self.group.runs.values() if result.policy != "base"]
        tables = [words for words in dict.fromkeys(map(_table, guarded)) if words]
        lines = [self._bench(*words, *_files(guarded)) for words in tables]
        policies = dict.fromkeys(result.policy for result in guarded if not _table(result))
        if policies or not lines:
            prompts = ["--prompts", "FILE"] if self.group.first.source else []
            chosen = [word for name in policies for word in ("--policy", _file("policies", name))]
            lines.append(self._bench(self.group.task.partition("@")[0], *prompts, *chosen))
        return "\n".join(lines)

    def _bench(self, what: str, *options: str) -> str:
        config = self.group.first.config
        words = ["safelight", "bench", what, "--model", config["model"]["name"], *options]
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
            "noise": f"the same under every policy, sha256 of the seeds {digest([s.seed for s in samples])}",
            "first seeds": ", ".join(str(s.seed) for s in samples[:4]),
            **flat(first.source, ".prompts"),
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


def _table(result: Result) -> tuple[str, ...]:
    """The table that a run was made as a row of, with the option for its schedule; empty if it is of none."""
    said = result.run.versions.items()
    found = [(name.removeprefix("table "), how) for name, how in said if name.startswith("table ")]
    options = {"fast": (), "published": ("--published",)}
    return next(((_file("tables", table.partition("@")[0]), *options[how]) for table, how in found), ())


def _files(results: Sequence[Result]) -> list[str]:
    """The files of prompts that the tasks of their table are given."""
    tasks = next((r.run.versions[FILES].split() for r in results if FILES in r.run.versions), [])
    return [word for task in tasks for word in ("--prompts", f"{task}=FILE")]


def _file(group: str, name: str) -> str:
    return name if name in names(group) else f"{name}.toml"
