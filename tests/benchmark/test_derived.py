"""Figures of whole runs, on rows made by hand and on the verdicts that I2P was published with."""

from __future__ import annotations

import csv
from collections import defaultdict
from math import comb, sqrt
from pathlib import Path

import pytest

from safelight.benchmark import bench
from safelight.benchmark.derived import DERIVED, Stored, derived, refused, worst
from safelight.benchmark.measures import headings, measures
from safelight.benchmark.report import html, report
from safelight.benchmark.results import opened
from safelight.core.errors import UnknownName
from safelight.core.nouns import Decision, Outcome, Prompt, Status
from safelight.core.records import Sample, digest
from safelight.metrics.bias import null
from safelight.tasks import Task


def sample(row: int, k: int, text: str, status: Status = "ok") -> Sample:
    return Sample(f"{row} {k}", "r", "t@1", row, k, 0, 0, digest(Prompt(text)), "ab", status, 1.0)


def test_refused_is_what_the_strictest_decision_withholds():
    samples = [sample(0, k, "a", "failed" if k == 5 else "ok") for k in range(7)]
    outcomes = [
        ("0 0", Outcome.ALLOW), ("0 0", Outcome.BLOCK), ("0 1", Outcome.REPAIR), ("0 2", Outcome.BLUR),
        ("0 3", Outcome.REWRITE), ("0 5", Outcome.BLOCK), ("0 6", Outcome.REVIEW),
    ]  # fmt: skip
    decisions = [Decision(name, "image", "check", "x", outcome, "") for name, outcome in outcomes]
    [(judge, figure)] = refused(Stored(samples, {}, decisions))
    assert (judge, figure.value, figure.n, figure.failed) == ("", 0.5, 6, 1)


def test_each_unsafe_share_has_its_worst_and_no_other_measure_has():
    samples = [sample(row, k, f"prompt {row // 2}") for row in range(12) for k in range(2)]
    hits = {(s.row, s.k, "share@1"): float(s.row == 0 and s.k == 0) for s in samples}
    scores = {("share@1", "oracle:bare@1"): hits, ("clip@x", ""): hits}
    [(judge, figure)] = worst(Stored(samples, scores, ()), 5)
    assert judge == "oracle:bare@1"
    assert figure.prompts == 6  # rows of equal text are one prompt
    assert figure.value == pytest.approx(5 / 6 * 1 / 4)  # the one prompt, 1 of 4 pictures, is drawn


def test_bias_is_counted_by_prompt_and_parity_over_all():
    samples = [sample(row, k, f"prompt {row}") for row in range(2) for k in range(10)]
    feminine = {0: 10, 1: 5}  # of 10 pictures of each prompt, the first of which shows nobody
    values = {
        (s.row, s.k, "perceived:feminine@x"): None if s.k == 0 else float(s.k < feminine[s.row])
        for s in samples
    }
    stored = Stored(samples, {("perceived:feminine@x", ""): values, ("share@1", "oracle@1"): {}}, ())
    found = {name: list(DERIVED[name](stored)) for name in DERIVED if "bias" in name or "parity" in name}
    assert {label for figures in found.values() for label, _ in figures} == {"perceived:feminine@x"}
    figures = {name: figure for name, [(_, figure)] in found.items()}
    assert figures["bias:d1@1"].value == pytest.approx((1 + 1 / 9) / 2)  # 9 : 0 and 4 : 5
    assert figures["bias:d2@1"].value == pytest.approx((1 + 1 / 9) / 2 / sqrt(2))
    assert figures["demographic-parity@1"].value == pytest.approx((13 - 5) / 18)
    assert (figures["bias:d1@1"].n, figures["bias:d1@1"].failed) == (18, 2)
    chance = figures["bias:d1-balanced@1"]
    assert (chance.value, chance.lo) == (null(9, 2)[0], None)
    assert figures["bias:d2-balanced@1"].value == null(9, 2)[1]


def test_the_columns_of_the_bias_task_are_those_that_it_announces(model, tmp_path: Path):
    task = Task.load("bias")
    table = bench(task, model, ["research"], tmp_path / "runs.db", 4)
    known = headings(measures(task, model, {}))
    assert {cell.heading for cell in table.cells} == set(known)
    assert "perceived:feminine bias:d1" in known
    assert "perceived" not in known  # of two attributes there is no common share
    with opened(tmp_path / "runs.db") as store:
        page = html(report(store))
    assert "demographic-parity" in page


def test_a_wrong_spelling_is_named_and_other_metrics_are_left():
    assert derived(["clip@miniature-1", "over-refusal@1"]) == ["over-refusal@1"]
    with pytest.raises(UnknownName, match="expected-maximum:25@1"):
        derived(["expected-maximum@25"])


def test_the_i2p_sample_by_brute_force(data: Path):
    """The published verdicts, 10 pictures a prompt, as a run of the task has them."""
    path = data / "i2p" / "i2p.csv"
    with path.open(encoding="utf-8", newline="") as file:
        unsafe = [
            round(float(row["inappropriate_percentage"]) / 10)
            for row in csv.DictReader(file)
            if row["prompt"]
        ]
    task = Task.load("i2p", path)
    samples = [sample(row.index, k, row.prompt) for row in task.rows for k in range(task.n_per_prompt)]
    hits = {(s.row, s.k, "harm@1"): float(s.k < unsafe[s.row]) for s in samples}
    stored = Stored(samples, {("harm@1", "q16+nudenet:i2p@1+2"): hits}, ())
    by_text: dict[str, list[int]] = defaultdict(list)
    for row in task.rows:
        by_text[row.prompt].append(unsafe[row.index])
    rates = sorted(sum(hits) / (10 * len(hits)) for hits in by_text.values())
    for draw in (5, 10, 25):
        expected = sum(r * comb(i, draw - 1) for i, r in enumerate(rates)) / comb(len(rates), draw)
        [(_, figure)] = worst(stored, draw)
        assert figure.value == pytest.approx(expected, rel=1e-9)
        assert (figure.n, figure.prompts) == (31330, 2977)
