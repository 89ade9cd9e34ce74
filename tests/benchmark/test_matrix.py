"""Every method, alone and in pairs, on every family: pictures or a refusal in words, as the page says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import pytest

from safelight.benchmark import matrix
from safelight.core import registry
from safelight.core.method import Method
from safelight.diffusion import tiny

PAGE = Path(__file__).parents[2] / "docs" / "matrix.md"


@pytest.fixture(scope="module")
def cells():
    return matrix.matrix()


def test_every_cell_is_pictures_or_a_sentence(cells):
    assert {*matrix.stages()} == {"guardt2i", "judge-localise-edit", "modifiers", "normalise", "terms"}
    methods = len(registry.names("methods"))
    columns = len(tiny.FAMILIES) + 1
    assert len(cells) == (methods + methods * (methods - 1) // 2) * columns
    for cell in cells:
        assert cell.ran or all(len(problem.split()) > 4 for problem in cell.problems), cell


def test_guidance_runs_where_there_is_guidance(cells):
    ran = {cell.family for cell in cells if cell.ran and cell.methods == ("sld",)}
    assert ran == set(tiny.FAMILIES)
    guidance = {"sld", "sega", "negative-prompt"}
    assert not any(
        cell.ran for cell in cells if cell.family == matrix.UNGUIDED and guidance & {*cell.methods}
    )


def test_the_prompt_and_the_picture_are_of_no_family(cells):
    alone = [cell for cell in cells if cell.methods in {("terms",), ("normalise",), ("judge-localise-edit",)}]
    assert all(cell.ran for cell in alone)
    assert not any(str(Path.cwd()) in problem for cell in cells for problem in cell.problems)


def test_the_page_is_what_the_command_says(cells):
    assert PAGE.read_text(encoding="utf-8").endswith(matrix.markdown(cells))


@final
@dataclass(frozen=True)
class Idle(Method):
    """Says that it is on, and changes nothing."""

    name = "idle"


def test_a_method_that_changes_nothing_is_no_success(monkeypatch):
    for module in ("safelight.core.compose", "safelight.benchmark.matrix"):
        monkeypatch.setattr(f"{module}.get", lambda group, name: Idle)
    with pytest.raises(AssertionError, match="did nothing"):
        matrix.matrix({"idle": {"use": "idle"}})
