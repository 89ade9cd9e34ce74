"""A tiny generator with random weights, made once."""

from __future__ import annotations

import pytest

from safelight.diffusion import tiny
from safelight.diffusion.load import load


@pytest.fixture(scope="session")
def generator():
    return load(tiny.sd())
