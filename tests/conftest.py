"""Settings that hold for every test process, made before anything imports torch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# One thread a process: pytest-xdist brings the processes; threads beyond the cores are many times slower.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE")
# No test reaches a model hub; what a test needs is made on the spot or ships inside the package.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def generator():
    """A tiny model with random weights."""
    from safelight.diffusion import tiny
    from safelight.diffusion.load import load

    return load(tiny.sd())


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder that SAFELIGHT_DATA names, with published prompts, vectors and scores; skips without it."""
    folder = os.environ.get("SAFELIGHT_DATA")
    if not folder:
        pytest.skip("golden values need SAFELIGHT_DATA, a folder with the published data")
    return Path(folder)
