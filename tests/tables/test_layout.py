"""The tables that ship."""

from __future__ import annotations

import pytest

from safelight.benchmark.measures import headings, measures
from safelight.core.errors import BadInput, Refused, UnknownName
from safelight.core.registry import names
from safelight.diffusion import tiny
from safelight.diffusion.load import load
from safelight.tables import Layout, is_table
from safelight.tables.rows import concept, refuse


@pytest.fixture(scope="module")
def miniature():
    return load("miniature")


PUBLISHED = ("sdd-table-harm", "sdd-table-nudity-published")
MINIATURE = [name for name in names("tables") if name not in PUBLISHED]


@pytest.mark.parametrize("name", MINIATURE)
def test_every_table_that_ships_can_be_made_on_the_miniature(name, miniature):
    layout = Layout.load(name)
    assert layout.name == name
    for published in (False, True):
        assert [problem for row in layout.row for problem in refuse(row, miniature, published)] == []
        assert all(concept(row, published) for row in layout.row if row.train)
    for task, columns in zip(layout.loaded(), layout.tasks.values(), strict=True):
        assert set(columns) <= set(headings(measures(task, miniature, {})))


@pytest.mark.parametrize("table", [name for name in MINIATURE if name.startswith("sdd-table-")])
def test_the_rows_of_the_papers_table(table):
    rows = [row.name for row in Layout.load(table).row]
    assert rows == [
        "NEG", "SLD-medium", "SLD-max", "SEGA", "ESD-u-3", "ESD-x-3", "ESD-x-1", "UCE", "CA",
        "SDD", "SDD-anchored",
    ]  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_tables_on_published_prompts_can_be_made_on_any_model(name):
    """Its rows are checked on a tiny Stable Diffusion, whose text encoder reads letters: SDD's list of 19
    terms, 46 tokens of CLIP, is too long for that one alone.
    """
    model, layout = load(tiny.sd()), Layout.load(name)
    problems = [problem for row in layout.row for problem in refuse(row, model, False)]
    assert [
        problem for problem in problems if "row 'SDD': the joined concepts do not fit" not in problem
    ] == []
    rows = [row.name for row in layout.row]
    assert ["NEG", "SLD-medium", "SLD-max", "SEGA"] == rows[:4]
    assert rows[-2:] == ["ESD-x-3", "SDD"]
    assert ("ESD-u-3" in rows) == (name == "sdd-table-nudity-published")
    assert layout.n is None
    with pytest.raises(Refused, match="--prompts country-body=FILE"):
        layout.loaded()
    with pytest.raises(UnknownName, match="unknown task of sdd-table"):
        layout.loaded({"country-bod": "x.txt"})


def test_a_table_is_told_from_a_task(written, tmp_path):
    assert is_table(str(written()))
    tasks = ("body", str(tmp_path / "seen.toml"), "no.toml")
    assert is_table("sdd-table-nudity")
    assert not any(map(is_table, tasks))


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(
        UnknownName, match=r"unknown table 'sdd-table-nudty'\. Did you mean 'sdd-table-nudity'"
    ):
        Layout.load("sdd-table-nudty")
    with pytest.raises(BadInput, match="cannot be read"):
        Layout.load(tmp_path / "no.toml")
