"""Oracles with random weights in place of those that ship: behaviour, not skill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from safelight.miniature import weights
from safelight.miniature.oracle import Oracle
from safelight.miniature.truth import HEADS


@pytest.fixture
def random_oracles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of weights with both oracles, which the judges read."""
    (tmp_path / "oracle").mkdir()
    sums = {}
    for seed, architecture in enumerate(("A", "B")):
        torch.manual_seed(seed)
        file = tmp_path / "oracle" / f"{architecture.lower()}.safetensors"
        Oracle(architecture, HEADS).save(file)
        sums[file.relative_to(tmp_path).as_posix()] = sha256(file.read_bytes()).hexdigest()
    (tmp_path / "checksums.json").write_text(json.dumps(sums))
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    weights.oracle.cache_clear()
    yield tmp_path
    weights.oracle.cache_clear()
