"""A run shared among workers, those of a real, local Ray among them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from safelight.benchmark import bench, cluster
from safelight.core.errors import BadInput
from safelight.diffusion import tiny
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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model, a task and a policy, named from where the process stands."""
    tiny.sd().save_pretrained(tmp_path / "model")
    settings = {"steps": 2, "guidance": 3.0, "block": 2}
    (tmp_path / "model" / "safelight.json").write_text(json.dumps(settings))
    (tmp_path / "t.toml").write_text(TASK)
    (tmp_path / "t.csv").write_text("prompt\na cat\na red dog\ntwo boats\n")
    (tmp_path / "negative.toml").write_text(NEGATIVE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_work_of_two_workers_is_the_bytes_of_one_process(folder: Path, monkeypatch: pytest.MonkeyPatch):
    whole = bench("t.toml", "model", ["negative.toml"], "whole/runs.db")
    given = "t.toml", "model", "float32", ["negative.toml"], 12, None, "shared/runs.db"
    for shard in ("2/2", "1/2"):
        (folder / "elsewhere").mkdir(exist_ok=True)
        monkeypatch.chdir(folder / "elsewhere")  # where workers start
        cluster.work(str(folder), torch.get_num_threads(), given, shard)
    assert bench("t.toml", "model", ["negative.toml"], "shared/runs.db") == whole
    assert stored(folder / "shared") == stored(folder / "whole")


@pytest.mark.slow
def test_ray_shares_a_run_to_the_bytes_of_one_process(folder: Path):
    pytest.importorskip("ray", reason="the engine needs safelight[ray]")
    command = [sys.executable, "-m", "safelight", "bench", "t.toml", "--model", "model"]
    options = ["--policy", "negative.toml", "--engine", "ray", "--out", "shared/runs.db", "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert (done.returncode, "a worker broke" in done.stderr) == (0, False), done.stderr
    whole = bench("t.toml", "model", ["negative.toml"], "whole/runs.db")
    assert json.loads(done.stdout) == json.loads(json.dumps(whole.json()))
    assert stored(folder / "shared") == stored(folder / "whole")


def test_a_cluster_that_does_not_answer_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Ray itself takes minutes to give up."""

    def init(**settings: object) -> None:
        raise ConnectionError("Failed to connect to Ray cluster at 10.0.0.1:6379")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(BadInput, match=r"no Ray cluster at RAY_ADDRESS=10\.0\.0\.1:6379"):
        cluster.bench("t.toml", "model", ["negative.toml"], "runs.db")


def test_without_ray_the_engine_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadInput, match=r"pip install 'safelight\[ray\]'"):
        cluster.bench("t.toml", "model", ["negative.toml"], "runs.db")


def stored(folder: Path) -> list[list[tuple[int, int, int, str | None]]]:
    with Store.open(folder / "runs.db") as store:
        runs = sorted(run.id for run in store.runs())
        return [[(s.row, s.k, s.seed, s.image_hash) for s in store.samples(run)] for run in runs]
