"""A real run of a real, tiny model that is killed at any moment ends in the same table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_and_while_writing_it_ends_in_the_same_table(tmp_path, kills):
    script = Path(__file__).with_name("killed.py")
    command = [sys.executable, str(script), str(tmp_path), str(kills), "11"]
    said = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
    never = said["made"].pop("never")
    assert said["kills"] == kills
    assert never["pictures"]
    assert len(json.loads(never["table"])["cells"]) == 4
    for run in said["made"].values():
        assert run == never
