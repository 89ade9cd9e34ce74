"""The Python blocks of every page run in their order, and the policies and concept files on it are valid."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(python|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, language):
    """The blocks of a page in one language, each with the line it starts on."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start()) + 1, m[2]) for m in BLOCK.finditer(text) if m[1] == language]


def pages(language):
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if blocks(page, language)]


@pytest.mark.parametrize("page", pages("python"))
def test_python_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for line, code in blocks(page, "python"):
        # The blank lines make a traceback point into the page.
        exec(compile("\n" * line + code, page, "exec", dont_inherit=True), names)


@pytest.mark.parametrize("page", pages("toml"))
def test_policies_can_run_on_the_miniature_and_concept_files_are_whole(page, tmp_path):
    import safelight
    from safelight.clip import concepts

    model = safelight.load("miniature")
    for _, text in blocks(page, "toml"):
        table = tomllib.loads(text)
        assert table["schema"] == 1
        if "concept" in table:
            (tmp_path / "concepts.toml").write_text(text, encoding="utf-8")
            assert len(concepts.read(tmp_path / "concepts.toml").concepts) == len(table["concept"])
        else:
            assert safelight.Policy.read(text).bind(model).policy.name
