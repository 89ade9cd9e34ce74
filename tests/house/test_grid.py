"""The grid holds every method, every policy and every task of the miniature, or says here why it does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from safelight.core.registry import names
from safelight.tables import Layout
from safelight.tables.rows import policy
from safelight.tasks import Task
from safelight.trained import Trained
from safelight.trained.recipes import METHODS

METHODS_OUT = {
    "guidance-vectors": "adds what another method added to another picture; that method has a row",
    "modifiers": "changes no picture and refuses nothing; it gives prompt checks more to read",
}
TRAININGS_OUT = {
    "guardt2i": "trains what the method of that name reads prompts with, for an hour; one ships",
    "uce-debias": "balances who is drawn, which the task bias measures; it takes nothing unsafe away",
}
POLICIES_OUT = {"research": "has no methods and no checks, so it draws what the unguarded model draws"}
TASKS_OUT: dict[str, str] = dict.fromkeys(
    ["artist", "styles", "mascot", "robots"], "what it asks for is erased in a table of its own"
)


@pytest.fixture(scope="module")
def grid() -> Layout:
    return Layout.load("grid")


def test_every_method_is_in_the_grid(grid):
    made = {row.name: Trained(Path("x"), Path("x"), "", 0, "", 0, 0.0) for row in grid.row if row.train}
    used = {method["use"] for row in grid.row for method in policy(row, made).methods}
    assert covered(used, METHODS_OUT) == set(names("methods"))


def test_every_training_is_in_the_grid(grid):
    assert covered({row.train for row in grid.row if row.train}, TRAININGS_OUT) == set(METHODS)


def test_every_policy_that_ships_is_in_the_grid(grid, root):
    shipped = {path.stem for path in (root / "src" / "safelight" / "policies").glob("*.toml")}
    assert covered({row.policy for row in grid.row if row.policy}, POLICIES_OUT) == shipped


def test_every_task_of_the_miniature_is_in_the_grid(grid):
    ours = {name for name in names("tasks") if not Task.load(name).prompts.published}
    assert covered(set(grid.tasks), TASKS_OUT) == ours


def covered(inside: set[str], outside: Mapping[str, str]) -> set[str]:
    """All that is accounted for; nothing is twice."""
    assert not inside & outside.keys()
    return inside | outside.keys()
