"""Which stored runs belong into one table, and how people name them."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark.stored import fill

from safelight.benchmark.results import find, groups, opened
from safelight.core.errors import BadInput, UnknownName
from safelight.core.records import Run
from safelight.store import Store


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "runs.db") as store:
        yield store


def test_the_unguarded_model_is_first_whenever_it_was_made(store: Store):
    for policy in ("sld", "negative-prompt", "base"):
        fill(store, policy, [1, 0])
    [group] = groups(store)
    assert list(group.runs) == ["base", "negative-prompt", "sld"]
    assert (group.n, group.notes) == (2, ())


def test_another_task_is_another_table(store: Store):
    for task in ("innocent@1", "body@1", "body@2"):
        fill(store, "base", [1], task=task)
    assert [group.task for group in groups(store)] == ["body@1", "body@2", "innocent@1"]


def test_a_policy_that_was_edited_is_told_apart(store: Store):
    fill(store, "base", [1])
    made = {fill(store, "sld", [1], settings={"scale": scale}) for scale in (3.0, 4.0)}
    [group] = groups(store)
    assert set(group.runs) == {"base", *(f"sld {run[:8]}" for run in made)}


def test_runs_count_as_far_as_all_go_and_it_is_said(store: Store):
    fill(store, "base", [1, 0, 1])
    fill(store, "sld", [1, 0])
    [group] = groups(store)
    assert group.n == 2
    assert group.notes == ("Of each run the first 2 pictures count: sld has no more, base has 3.",)
    assert groups(store, 1)[0].n == 1
    with pytest.raises(BadInput, match=r"body/sld .* has 2 pictures, not 3"):
        groups(store, 3)


def test_unfinished_runs_are_named_and_left_out(store: Store):
    fill(store, "base", [1, 0])
    fill(store, "sld", [1], status="interrupted")
    [group] = groups(store)
    assert (list(group.runs), group.n) == (["base"], 2)
    assert group.notes == ("Left out: sld, which is interrupted with 1 pictures.",)


def test_without_the_unguarded_model_it_is_said_what_changes_mean(store: Store):
    fill(store, "sld", [1, 0])
    assert groups(store)[0].notes == (
        "The unguarded model is not among the runs: changes are those from sld.",
    )


def test_runs_are_named_by_policy_task_or_id(store: Store):
    run = fill(store, "sld", [1])
    fill(store, "base", [1])
    fill(store, "base", [1], task="innocent@1")
    for name in ("sld", "body/sld", "body@1/sld", run, run[:6]):
        assert find(store, name).run.id == run
    assert find(store, "innocent/base").task == "innocent@1"
    with pytest.raises(UnknownName, match="Did you mean 'body/sld'"):
        find(store, "body/sls")
    with pytest.raises(BadInput, match=r"'base' is 2 runs: body/base .*, innocent/base .* TASK/POLICY"):
        find(store, "base")


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path):
    with pytest.raises(BadInput, match="there is no database"):
        opened(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


def test_other_runs_are_no_benchmark(store: Store):
    store.add(Run("r", '{"command":"train"}', "p", "", {}, "done"))
    with pytest.raises(BadInput, match="holds no finished benchmark"):
        groups(store)
