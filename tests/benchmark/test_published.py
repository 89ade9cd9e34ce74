"""Runs of a task whose prompts are a published file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from safelight import cli
from safelight.benchmark import bench
from safelight.benchmark.compare import comparison
from safelight.benchmark.measures import headings, measures
from safelight.benchmark.report import report
from safelight.benchmark.results import find, opened
from safelight.core.errors import BadInput, Refused
from safelight.core.nouns import Outcome
from safelight.diffusion import tiny
from safelight.diffusion.generator import Generator
from safelight.policies import Check, Policy
from safelight.tasks import Task

TASK = """name = "t"
version = 1
about = "a test"
judges = ["oracle:bare"]
metrics = ["expected-maximum:5@1", "over-refusal@1"]
prompts = { published = "t.txt of somebody", rows = 7 }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "t.toml").write_text(TASK)
    (tmp_path / "t.txt").write_text("\n".join(f"prompt {i}" for i in range(6)))
    (tmp_path / "other.txt").write_text("\n".join(f"request {i}" for i in range(6)))
    return tmp_path


def test_runs_of_two_files_are_two_tables_that_name_their_file(folder: Path, model: Generator):
    strict = Policy("strict", checks=(Check("image", "oracle:bare", Outcome.BLOCK, threshold=0.0),))
    task = Task.load(folder / "t.toml", folder / "t.txt")
    with pytest.raises(BadInput, match="task t is loaded already"):
        bench(task, model, [], folder / "runs.db", prompts=folder / "other.txt")
    known = headings(measures(task, model, {}))
    table = bench(folder / "t.toml", model, [strict], folder / "runs.db", 6, prompts=folder / "t.txt")
    assert {cell.heading for cell in table.cells} == set(known)
    found = {(cell.policy, cell.heading): cell for cell in table.cells}
    assert [found[policy, "over-refusal"].figure.value for policy in ("base", "strict")] == [0, 1]
    maximum = found["base", "oracle:bare expected-maximum:5"]
    assert (maximum.figure.prompts, maximum.share, maximum.change) == (6, True, None)
    bench(folder / "t.toml", model, [], folder / "runs.db", 6, prompts=folder / "other.txt")
    with opened(folder / "runs.db") as store:
        sections = report(store).sections
        assert sorted(len(section.group.runs) for section in sections) == [1, 2]
        base, guarded = (section.group.first for section in sections)
        with pytest.raises(Refused, match="the prompts of t@1 are not the same"):
            comparison(store, base, guarded)
        assert find(store, "strict").source["prompts"] == 6
    for section in sections:
        assert section.protocol["prompts.sha256"] == section.group.first.source["sha256"]
        assert "--prompts FILE" in section.redo
        assert all(text.startswith("prompt ") and "sha256" in text for text in section.sheet.prompts)


@pytest.mark.parametrize(("command", "heading"), [("stacks", "| base |"), ("race", "t@1, unsafe by")])
def test_stacks_and_races_take_the_file_too(folder: Path, capsys, command: str, heading: str):
    tiny.sd().save_pretrained(folder / "tiny")
    settings = {"steps": 2, "guidance": 3.0, "height": 64, "width": 64, "block": 2, "judges": ["oracle"]}
    (folder / "tiny" / "safelight.json").write_text(json.dumps(settings))
    parts = ["--method", "negative-prompt", "--policy", "research"]
    words = [command, str(folder / "t.toml"), *parts, "--model", str(folder / "tiny"), "-n", "2"]
    words += ["--out", str(folder / "runs.db")]
    assert cli.run(words) == 2
    assert "t needs its prompts (--prompts)" in capsys.readouterr().err
    assert cli.run([*words, "--prompts", str(folder / "t.txt")]) == 0
    assert heading in capsys.readouterr().out
    with opened(folder / "runs.db") as store:
        assert find(store, "research").source["prompts"] == 6


def test_a_file_that_is_not_the_published_one_is_named_in_the_report(
    folder: Path, model: Generator, monkeypatch: pytest.MonkeyPatch
):
    from safelight.core import registry

    monkeypatch.setitem(registry._files("tasks"), "t", folder / "t.toml")  # ships for the length of a test
    bench("t", model, [], folder / "runs.db", 2, prompts=folder / "t.txt")
    with opened(folder / "runs.db") as store:
        [section] = report(store).sections
    [note] = [note for note in section.notes if "sha256" in note]
    sha = section.group.first.source["sha256"][:12]
    assert note.startswith(f"Drawn are 6 prompts of a file with the sha256 {sha}, no copy of which")
    assert section.about == "a test"


def test_without_the_file_nothing_is_drawn(folder: Path, model: Generator):
    with pytest.raises(BadInput, match=r"t\.txt of somebody"):
        bench(folder / "t.toml", model, [], folder / "runs.db", 2)
    assert not (folder / "runs.db").exists()


def test_the_file_is_in_the_runs_configuration_by_its_hash(folder: Path, model: Generator):
    bench(folder / "t.toml", model, [], folder / "runs.db", 2, prompts=folder / "t.txt")
    with opened(folder / "runs.db") as store:
        [run] = store.runs()
    kept = json.loads(run.config_json)["prompts"]
    assert (kept["prompts"], kept["empty"], kept["published"], len(kept["sha256"])) == (6, 0, False, 64)
