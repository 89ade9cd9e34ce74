"""Two processes train what one does, in half the rows each; only the first writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from safelight.diffusion import tiny
from safelight.store import artifacts
from safelight.training.processes import shared


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    script, root = Path(__file__).with_name("together.py"), tmp_path_factory.mktemp("together")
    command = [sys.executable, str(script), str(root)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)


@pytest.mark.parametrize("case", ["esd", "fewer rows than processes", "ca"])
def test_two_processes_end_where_one_does(said, case):
    run = said[case]
    [alone], [first, second] = run["alone"], run["together"]
    assert run["distance"] < 1e-4
    assert first["content"] == second["content"]  # the same bits in both
    assert run["files"] == [*(["anchors-0000.safetensors"] if case == "ca" else []), "checkpoint.safetensors",
                            "images", "runs.db"]  # fmt: skip
    if case == "ca":  # the first has drawn the anchors
        assert alone["rows"] - first["rows"] == second["rows"] == 3 * 2 * 2
    else:
        assert first["rows"] == second["rows"] < 0.56 * alone["rows"]


def test_two_processes_go_on_from_the_checkpoint_of_one(said):
    first, second = said["resumed"]["together"]
    assert first["content"] == second["content"]
    assert said["resumed"]["distance"] < 1e-4
    assert first["rows"] < 0.5 * said["esd"]["together"][0]["rows"]  # it did not begin again


def test_one_process_has_the_model_itself(generator):
    assert shared(generator.backbone) is generator.backbone


@pytest.mark.slow
def test_under_torchrun(tmp_path):
    """The command line, one process and two: one file, one report, and equal to rounding."""
    folder, made = tmp_path / "tiny", []
    tiny.sd().save_pretrained(folder)
    (folder / "safelight.json").write_text(json.dumps({"steps": 2, "guidance": 5.0}))
    settings = ["concept=blood", "steps=2", "solver_steps=4", "batch_size=2", "eps=0.01", "lr=0.01"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2"]
    for name, by in (("one", []), ("two", launch)):
        out = tmp_path / f"{name}.safetensors"
        command = [sys.executable, *by, "-m", "safelight", "train", "sdd", "--model", str(folder)]
        command += [word for text in settings for word in ("--set", text)]
        done = subprocess.run(
            [*command, "--samples", "blood", "--out", str(out)],
            capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (done.stdout + done.stderr).count("sha256") == 1
        made.append(artifacts.load(out))
    one, two = made
    assert one.manifest == two.manifest
    assert all(torch.allclose(value, two.tensors[name], atol=1e-6) for name, value in one.tensors.items())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "one.html", "one.run", "one.safetensors", "tiny", "two.html", "two.run", "two.safetensors",
    ]  # fmt: skip
