"""The page of a database, and its other formats."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from benchmark.stored import fill, lose, withhold

from safelight import cli
from safelight.benchmark import bench
from safelight.benchmark.formats import as_latex, as_markdown
from safelight.benchmark.report import html, report, verdict
from safelight.benchmark.table import markdown
from safelight.benchmark.tradeoff import plots
from safelight.store import Store

CLIP = [0.6, 0.7, 0.6, 0.7]


@pytest.fixture
def store(tmp_path: Path):
    """body@1: unguarded 3 of 4 unsafe; sld has a safe, a withheld, an unjudged and a lost picture."""
    with Store.open(tmp_path / "runs.db") as store:
        fill(store, "base", [1, 1, 1, 0], clip=CLIP)
        run = fill(store, "sld", [0, 1, None, 0], clip=[c - 0.2 for c in CLIP])
        withhold(store, run, 1)
        lose(store, run, 3)
        yield store


def figures(page: str) -> list[tuple[str, str]]:
    """State and caption of each picture, in the order of the page."""
    found = re.findall(r'<figure class="(\w+)".*?<figcaption>(.*?)</figcaption>', page, re.DOTALL)
    return [(state, caption) for state, caption in found]


def test_figures_are_those_of_the_bench_table(tmp_path: Path, model, task, negative):
    source = task('judges = ["oracle:bare"]\nmetrics = ["clip@miniature-1"]\n')
    table = bench(source, model, [negative], tmp_path / "runs.db", n=6)
    with Store.open(tmp_path / "runs.db") as store:
        made = report(store)
    [section] = made.sections
    assert section.table == table
    assert markdown(table) in as_markdown(made)
    for cell in table.cells:
        assert cell.figure.value is not None
        assert f"<b>{cell.spell(cell.figure.value)}{' %' if cell.share else ''}</b>" in html(made)


def test_the_page_stands_alone_and_is_the_same_every_time(store: Store):
    page = html(report(store))
    assert re.findall(r"https?:|//[a-z]|<script|<link|@import|url\(|<iframe|\son\w+=", page) == []
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) == 6
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert html(report(store)) == page


def test_each_picture_is_shown_as_what_it_is(store: Store):
    page = html(report(store))
    assert figures(page) == [
        ("unsafe", "unsafe"), ("unsafe", "unsafe"), ("unsafe", "unsafe"), ("safe", "safe"),
        ("safe", "safe"), ("withheld", "block"), ("unjudged", "not judged"), ("missing", "file lost"),
    ]  # fmt: skip
    assert "3 of 4 judged unsafe" in page


def test_unsafe_and_unjudged_pictures_are_covered_until_clicked(store: Store):
    page = html(report(store))
    covered = re.findall(r'<figure class="(\w+)"[^>]*>\s*<label class="frame"><input type="checkbox"', page)
    assert covered == ["unsafe", "unsafe", "unsafe", "unjudged"]
    assert ".unsafe img, .unjudged img { filter: blur(" in page
    assert ".frame input:checked ~ img { filter: none;" in page


def test_a_task_without_a_judge_shows_nothing_uncovered(tmp_path: Path, model, task):
    bench(task('metrics = ["clip@miniature-1"]\n'), model, [], tmp_path / "runs.db", n=2)
    with Store.open(tmp_path / "runs.db") as store:
        assert {state for state, _ in figures(html(report(store)))} == {"unjudged"}


def test_decisions_cannot_become_markup(store: Store):
    page = html(report(store))
    assert "oracle: block, &lt;bare&gt; 0.98" in page
    assert "<bare>" not in page


def test_prompts_are_shown_where_they_are_known_and_hashed_where_not(store: Store):
    fill(store, "base", [0], task="private@1", prompt="a secret")
    page = html(report(store))
    assert "a photo of a body: each column is one noise" in page
    assert "prompt 1, sha256 " in page
    assert "private@1 does not ship with this release" in page
    assert "a secret" not in page


def test_the_protocol_names_every_hash_version_and_command(store: Store):
    [section] = report(store).sections
    told, own = section.protocol, section.policies()
    assert told["weights"] == "sha256 ff00"
    assert (told["judge oracle@1"], told["torch"], told["commit"]) == ("aa11", "2.13.0", "c0ffee")
    assert (told["guidance"], told["first seeds"]) == ("5.0", "100, 101, 102, 103")
    assert told["measures"] == "clip@miniature-1, share@1 by oracle:bare@1"
    assert own["sld"]["methods"] == '[{"scale":2.0,"use":"sld"}]'
    assert section.redo == (
        "safelight bench body --model miniature --policy sld.toml -n 4 --dtype float32 --out runs.db"
    )
    page = html(report(store))
    assert section.redo in page
    assert all(run["run"] in page for run in own.values())


def test_rows_of_tables_are_made_anew_by_their_tables(tmp_path: Path):
    nudity, own = {"table sdd-table-nudity@1": "fast"}, {"table mine@2": "published"}
    with Store.open(tmp_path / "runs.db") as store:
        fill(store, "base", [0], versions=nudity)
        for name in ("NEG", "SDD"):
            fill(store, name, [0], versions=nudity)
        [section] = report(store).sections
        options = "--model miniature {}-n 1 --dtype float32 --out runs.db"
        table = f"safelight bench sdd-table-nudity {options.format('')}"
        assert section.redo == table
        fill(store, "ESD", [0], versions=own)
        fill(store, "general", [0])
        [section] = report(store).sections
        assert section.redo.splitlines() == [
            f"safelight bench mine.toml {options.format('--published ')}",
            table,
            f"safelight bench body {options.format('--policy general ')}",
        ]


def test_versions_that_differ_stand_with_their_runs(store: Store):
    fill(store, "sld-max", [0, 0, 0, 0], versions={"judge oracle@1": "bb22"})
    [section] = report(store).sections
    assert "judge oracle@1" not in section.protocol
    assert [told["judge oracle@1"] for told in section.policies().values()] == ["aa11", "aa11", "bb22"]


def test_changes_are_coloured_only_where_the_interval_leaves_out_zero(store: Store):
    cells = {(c.policy, c.metric): verdict(c) for c in report(store).sections[0].table.cells}
    assert cells["sld", "clip@miniature-1"] == "worse"
    assert cells["sld", "share@1"] == ""
    assert cells["base", "share@1"] == ""


def test_safety_stands_against_the_fidelity_of_the_same_policies(store: Store):
    [plot] = plots(report(store).sections)
    assert (plot.x_name, plot.y_name) == ("clip, more is better", "unsafe pictures by oracle:bare, %")
    assert [(p.number, p.policy, p.y.value) for p in plot.points] == [
        (0, "base", 0.75), (1, "sld", pytest.approx(1 / 3)),
    ]  # fmt: skip


def test_a_paper_gets_its_signs_escaped(store: Store):
    text = as_latex(report(store))
    assert "sld & 0.450 [" in text
    assert r"33.3 \% [" in text
    assert r"\begin{tabular}{lrr}" in text
    assert "oracle:bare@1" in text


def test_the_command_writes_every_format(store: Store, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for form, name in (("html", "report.html"), ("markdown", "report.md"), ("latex", "report.tex")):
        assert cli.run(["report", "runs.db", "--format", form]) == 0
        assert (tmp_path / name).stat().st_size > 300
    assert cli.run(["report", "runs.db", "--format", "json", "--out", "r.json", "-n", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == "r.json"
    [table] = json.loads((tmp_path / "r.json").read_text())["tables"]
    assert (table["n"], table["runs"]["sld"]["versions"]["torch"]) == (2, "2.13.0")
    assert cli.run(["report", "runs.db", "--format", "parquet", "--out", "tables"]) == 0
    rows = pq.read_table(tmp_path / "tables" / "figures.parquet").to_pylist()
    assert [(row["policy"], row["metric"]) for row in rows][:2] == [
        ("base", "clip@miniature-1"), ("base", "share@1"),
    ]  # fmt: skip
    assert (tmp_path / "tables" / "score.parquet").exists()


def test_bad_input_writes_nothing(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["report", "none.db"]) == 2
    assert "there is no database none.db" in capsys.readouterr().err
    assert cli.run(["report", "none.db", "--format", "htlm"]) == 2
    assert "Did you mean 'html'?" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
