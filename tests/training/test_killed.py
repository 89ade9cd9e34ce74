"""A real training of a real, tiny model that is killed at any moment ends in the same artifact."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_and_while_writing_it_ends_in_the_same_artifact(tmp_path, kills):
    script = Path(__file__).with_name("killed.py")
    command = [sys.executable, str(script), str(tmp_path), str(kills), "11"]
    said = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
    made, never = said["made"], said["made"].pop("never")
    assert said["resumed"] >= kills // 4  # the others came before a first checkpoint
    assert len(made) >= 1 + 3  # trainings with random kills, and one killed in each moment of a write
    assert all(run == never for run in made.values())
    assert never["files"] == ["artifact.safetensors", "checkpoint.safetensors"]  # and nothing half-written
