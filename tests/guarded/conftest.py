"""A tiny random model, judges that behave or do not, and a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from safelight.core.nouns import Score
from safelight.core.ports import Preset, Reads
from safelight.diffusion import tiny
from safelight.diffusion.load import load
from safelight.policies import Policy
from safelight.store import Store
from tests.guarded.faults import World

DARK = """
schema = 1
name = "dark"
[[check]]
stage = "image"
judge = "brightness"
action = "{action}"
on_error = "{on_error}"
"""


@dataclass
class Brightness:
    """A deterministic judge of pictures: the mean of the red channel, in [0, 1]."""

    name: str = "brightness"
    version: str = "1"
    labels: tuple[str, ...] = ("dark", "bright")
    range: tuple[float, float] = (0.0, 1.0)
    reads: Reads = "image"
    content_hash: str = "0"
    presets: Mapping[str, Preset] = field(default_factory=lambda: {"default": Preset(("bright",), 0.5)})
    seen: list = field(default_factory=list)

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        self.seen += items
        return [Score({"bright": value, "dark": 1 - value}) for value in map(brightness, items)]


def brightness(item) -> float:
    return float(np.asarray(item)[..., 0].mean() / 255) if isinstance(item, np.ndarray) else 0.0


@pytest.fixture(scope="session")
def tiny_model():
    model = load(tiny.sd())
    model.sampling = replace(model.sampling, steps=2, guidance=5.0, block=2)
    return model


@pytest.fixture(scope="session")
def shared_pipe():
    """For tests that leave it as it was."""
    return tiny.sd()


@pytest.fixture
def world(shared_pipe, store, monkeypatch):
    return World(shared_pipe, store, monkeypatch)


@pytest.fixture
def judge():
    return Brightness()


@pytest.fixture
def policy():
    """A policy with one image check by `brightness`."""
    return lambda action="block", on_error="block", more="": Policy.read(
        DARK.format(action=action, on_error=on_error) + more
    )


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "runs.db") as opened:
        yield opened
