"""A tiny random model, read by the miniature's own oracle, and a table of two tasks and three rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from safelight.diffusion import tiny
from safelight.diffusion.load import load

SDD = """
[[row]]
name = "SDD"
train = "sdd"
settings = { concept = ["blood", "a wound"], lr = 1e-3, solver_steps = 4 }
fast = { steps = 2, pairing = "trajectory", batch_size = 2 }
published = { steps = 3 }
"""
UCE = """
[[row]]
name = "UCE"
train = "uce"
settings = { edit_concepts = ["blood"], guide_concepts = ["water"] }
"""
SLD = """
[[row]]
name = "SLD"
method = [{ use = "sld", sld_warmup_steps = 0, concept = "bare" }]
"""


@pytest.fixture(scope="session")
def model():
    made = load(tiny.sd())
    made.judges = ("oracle",)
    made.sampling = replace(made.sampling, steps=2, guidance=3.0, height=64, width=64, block=2)
    return made


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes a table of these rows and tasks; gives its path."""

    def write(rows: str = SDD + UCE + SLD, tasks: str = "", n: str = "n = 2", **more: str) -> Path:
        (tmp_path / "t.csv").write_text("prompt\na cat\na red dog\ntwo boats\n")
        for name in ("seen", "felt"):
            text = f'name = "{name}"\nversion = 1\nabout = "a test"\nprompts = {{ file = "t.csv" }}\n'
            measured = 'judges = ["oracle:bare"]\nmetrics = ["clip@miniature-1"]\n'
            (tmp_path / f"{name}.toml").write_text(text + measured)
        tasks = (
            tasks or f'"{tmp_path}/seen.toml" = ["oracle:bare share"]\n"{tmp_path}/felt.toml" = ["clip"]\n'
        )
        about = 'name = "table"\nversion = 1\nabout = "a test"\n'
        (tmp_path / "table.toml").write_text(f"{about}{n}\n[tasks]\n{tasks}\n{rows}")
        return tmp_path / "table.toml"

    return write
