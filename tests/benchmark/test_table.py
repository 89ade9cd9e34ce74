from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from safelight.benchmark.table import Cell, Table, grid, markdown, table
from safelight.core.intervals import Figure, mcnemar, wilson
from safelight.core.records import Run, Sample, ScoreRow
from safelight.store import Store


@pytest.fixture
def stored(tmp_path: Path):
    """Two runs of 6 pictures of two prompts: base is unsafe 4 times, guarded once and unknown once."""
    with Store.open(tmp_path / "runs.db") as store:
        for run, hits in (("base", [1, 1, 0, 1, 1, 0]), ("guarded", [0, 1, 0, 0, 0, None])):
            store.add(Run(run, "{}", "p", "", {}, "done"))
            for j, hit in enumerate(hits):
                k, row = divmod(j, 2)
                place = f"{run}{j}"
                store.add(
                    Sample(place, run, "t@1", row, k, j, 0, "h", place, "ok", 1.0),
                    ScoreRow(place, "share@1", "oracle:bare@1", hit, "failed" if hit is None else "ok"),
                    ScoreRow(place, "clip@x", "", 0.5 + 0.01 * j - 0.1 * (run == "guarded"), "ok"),
                )
        yield store


RUNS = {"base": "base", "guarded": "guarded"}


def test_figures_are_recomputed_from_stored_scores(stored: Store, task):
    made = table(stored, task(), RUNS, 6)
    share = {cell.policy: cell for cell in made.cells if cell.judge}
    assert share["base"].figure.value == pytest.approx(4 / 6)
    guarded, (lo, hi) = share["guarded"].figure, wilson(1, 5)
    assert (guarded.value, guarded.n, guarded.failed) == (0.2, 5, 1)
    assert guarded.lo is not None
    assert guarded.hi is not None
    assert guarded.lo <= lo < hi <= guarded.hi
    clip = {cell.policy: cell for cell in made.cells if cell.metric == "clip@x"}
    assert clip["base"].figure.value == pytest.approx(0.525)
    assert clip["base"].figure.how == "bootstrap over prompts"


def test_changes_are_paired_with_the_unguarded_model(stored: Store, task):
    cells = {(cell.policy, cell.metric): cell for cell in table(stored, task(), RUNS, 6).cells}
    clip = cells["guarded", "clip@x"].change
    assert clip is not None
    assert (clip.value, clip.lo, clip.hi) == pytest.approx((-0.1, -0.1, -0.1))  # each picture lost just 0.1
    share = cells["guarded", "share@1"].change
    assert share is not None
    assert (share.value, share.n, share.failed) == (pytest.approx(-0.6), 5, 1)
    assert cells["base", "share@1"].change is None
    assert cells["guarded", "share@1"].p is None  # several pictures a prompt


def test_one_picture_a_prompt_has_mcnemars_p(stored: Store, task):
    cells = {(cell.policy, cell.metric): cell for cell in table(stored, task(), RUNS, 2).cells}
    assert cells["guarded", "share@1"].figure.how == "Wilson"
    assert cells["guarded", "share@1"].p == mcnemar([0, 1], [1, 1])
    assert cells["guarded", "clip@x"].p is None


def test_only_the_first_n_pictures_count(stored: Store, task):
    made = table(stored, task(), RUNS, 3)
    assert {cell.figure.n for cell in made.cells} == {3}
    assert made.cells[-1].figure.value == pytest.approx(1 / 3)


def test_copies_are_warned_about_with_their_number(tmp_path: Path, task):
    with Store.open(tmp_path / "copies.db") as store:
        store.add(Run("base", "{}", "p", "", {}, "done"))
        for j in range(4):
            store.add(Sample(str(j), "base", "t@1", j, 0, j, 0, "h", "same" if j else "other", "ok", 1.0))
        with pytest.warns(UserWarning, match="base: 2 of 4 pictures are copies of others"):
            table(store, task(), {"base": "base"}, 4)


SHARE = Cell("base", "r", "share@1", "oracle:bare@1", True, Figure(0.5, 0.25, 0.75, 8, 8, "Wilson"))
FID = Cell(
    "sld", "r", "fid@x", "", False, Figure(123.456, None, None, 8, 8, "too large by about b/n", failed=2)
)


def test_a_cell_reads_as_value_interval_and_failures():
    assert SHARE.text == "50.0 % [25.0, 75.0]"
    assert FID.text == "123.5 (2 failed)"
    assert replace(SHARE, share=False).text == "0.500 [0.250, 0.750]"
    assert (SHARE.heading, FID.heading) == ("oracle:bare share", "fid")


def test_the_grid_joins_tasks_and_leaves_holes_empty():
    tables = Table("body@1", 8, 8, (SHARE, replace(SHARE, policy="sld"))), Table("neutral@1", 8, 8, (FID,))
    header, lines = grid(*tables)
    assert header == ["policy", "body: oracle:bare share", "neutral: fid"]
    assert lines == [["base", "50.0 % [25.0, 75.0]", ""], ["sld", "50.0 % [25.0, 75.0]", "123.5 (2 failed)"]]
    text = markdown(*tables).splitlines()
    assert text[:2] == ["| policy | body: oracle:bare share | neutral: fid |", "| --- | --- | --- |"]
    assert text[-2] == "body@1: 8 pictures of 8 prompts a policy, 95 % intervals; share@1 by oracle:bare@1."


def test_json_keeps_every_figures_basis():
    plain = Table("body@1", 8, 8, (SHARE,)).json()
    assert plain["cells"][0]["figure"] == {
        "value": 0.5, "lo": 0.25, "hi": 0.75, "n": 8, "prompts": 8,
        "how": "Wilson", "seed": None, "failed": 0,
    }  # fmt: skip
    assert json.loads(json.dumps(plain, allow_nan=False))["task"] == "body@1"


def test_several_labels_have_a_figure_each_and_one_together(stored: Store, task):
    for j, (kind, colour) in enumerate([(1, 0), (1, None), (0, 1), (1, 1), (1, 1), (0, 0)]):
        stored.add(ScoreRow(f"base{j}", "accuracy:kind@1", "", kind, "ok"))
        if j:  # the first caption leaves the colour open
            status = "failed" if colour is None else "ok"
            stored.add(ScoreRow(f"base{j}", "accuracy:colour@1", "", colour, status))
    cells = {cell.metric: cell.figure for cell in table(stored, task(), {"base": "base"}, 6).cells}
    assert cells["accuracy:kind@1"].value == pytest.approx(4 / 6)
    assert (cells["accuracy:colour@1"].value, cells["accuracy:colour@1"].n) == (0.75, 4)
    both = cells["accuracy@1"]
    assert (both.value, both.n, both.failed) == (0.7, 10, 1)
    assert (both.prompts, both.how) == (2, "bootstrap over prompts")
