"""Published data that is not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder that SAFELIGHT_DATA names, with published prompts, vectors and scores; skips without it."""
    folder = os.environ.get("SAFELIGHT_DATA")
    if not folder:
        pytest.skip("golden values need SAFELIGHT_DATA, a folder with the published data")
    return Path(folder)
