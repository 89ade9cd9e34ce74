"""A run shared among the workers of a real, local Ray."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from safelight.benchmark import bench
from safelight.diffusion import tiny
from safelight.diffusion.load import load
from safelight.store import Store

TASK = """name = "t"
version = 1
about = "a test"
prompts = { file = "t.csv" }
n_per_prompt = 4
metrics = ["over-refusal@1"]
"""
NEGATIVE = """schema = 1
name = "negative"
[[method]]
use = "negative-prompt"
concept = "blood"
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own, of which its versions have many
def test_two_workers_make_the_bytes_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("ray", reason="the engine needs safelight[ray]")
    from safelight.benchmark import cluster

    tiny.sd().save_pretrained(tmp_path / "model")
    settings = {"steps": 2, "guidance": 3.0, "block": 2}
    (tmp_path / "model" / "safelight.json").write_text(json.dumps(settings))
    (tmp_path / "t.toml").write_text(TASK)
    (tmp_path / "t.csv").write_text("prompt\na cat\na red dog\ntwo boats\n")
    (tmp_path / "negative.toml").write_text(NEGATIVE)
    monkeypatch.chdir(tmp_path)  # names of files are those of the process that shares out
    shared = cluster.bench("t.toml", "model", ["negative.toml"], "shared/runs.db")
    whole = bench("t.toml", load("model"), ["negative.toml"], "whole/runs.db")
    assert shared == whole
    assert stored(tmp_path / "shared") == stored(tmp_path / "whole")


def stored(folder: Path) -> list[list[tuple[int, int, int, str | None]]]:
    with Store.open(folder / "runs.db") as store:
        runs = sorted(run.id for run in store.runs())
        return [[(s.row, s.k, s.seed, s.image_hash) for s in store.samples(run)] for run in runs]
