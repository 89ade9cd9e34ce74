"""The tables of a report as text for a paper, and as data for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from safelight.benchmark.report import Report
from safelight.benchmark.section import Section
from safelight.benchmark.table import Cell, facts, grid, markdown
from safelight.core.intervals import Figure
from safelight.store import Store

SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
SPECIAL |= {sign: "\\" + sign for sign in "&%$#_{}"}


def as_markdown(report: Report) -> str:
    """A heading, the table of `safelight bench`, its notes and its command, for each section."""
    return "\n".join(
        "\n".join(
            [
                f"## {section.title}\n",
                markdown(section.table),
                "",
                *(f"{note}\n" for note in section.notes),
                f"```\n{section.redo}\n```\n",
            ]
        )
        for section in report.sections
    )


def as_latex(report: Report) -> str:
    """A table environment for each section; it needs the package booktabs."""
    return "\n".join(map(_latex, report.sections))


def as_json(report: Report) -> dict[str, Any]:
    """Every figure with its basis, and every run with its configuration and versions."""
    return {"safelight": report.version, "tables": [_plain(section) for section in report.sections]}


def write_parquet(report: Report, store: Store, folder: Path) -> list[Path]:
    """figures.parquet, a row a figure, and every stored table beside it."""
    rows = [_row(section, cell) for section in report.sections for cell in section.table.cells]
    written = store.export(folder)
    pq.write_table(pa.Table.from_pylist(rows), folder / "figures.parquet")
    return [folder / "figures.parquet", *written]


def _latex(section: Section) -> str:
    header, lines = grid(section.table)
    rows = [" & ".join(map(_escaped, line)) + r" \\" for line in (header, *lines)]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{_escaped(facts(section.table))}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )  # fmt: skip


def _escaped(text: str) -> str:
    return "".join(SPECIAL.get(sign, sign) for sign in text)


def _plain(section: Section) -> dict[str, Any]:
    runs = {
        label: {"id": r.run.id, "config": r.config, "commit": r.run.git_rev, "versions": dict(r.run.versions)}
        for label, r in section.group.runs.items()
    }
    return section.table.json() | {"runs": runs, "notes": list(section.notes), "command": section.redo}


def _row(section: Section, cell: Cell) -> dict[str, Any]:
    first = {"task": section.table.task, "policy": cell.policy, "run": cell.run}
    change = cell.change or Figure(None, None, None, 0, 0, "")
    return first | {
        "metric": cell.metric, "judge": cell.judge,
        "value": cell.figure.value, "lo": cell.figure.lo, "hi": cell.figure.hi, "n": cell.figure.n,
        "prompts": cell.figure.prompts, "failed": cell.figure.failed, "how": cell.figure.how,
        "change": change.value, "change_lo": change.lo, "change_hi": change.hi, "p": cell.p,
    }  # fmt: skip
