"""The rows of a run's database as plain data, and the hashes that identify them.

What is missing is None with a status, never 0 and never NaN.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Any

from safelight.core.nouns import Status


@dataclass(frozen=True)
class Run:
    """One configuration. `protocol_hash` covers all that decides the bytes: model, sampling, block, ..."""

    id: str
    config_json: str
    protocol_hash: str
    git_rev: str
    versions: Mapping[str, str]
    status: str


@dataclass(frozen=True)
class Sample:
    """One picture: sample k of a row of a task. `image_hash` is None until it exists."""

    id: str
    run: str
    task: str
    row: int
    k: int
    seed: int
    block: int
    prompt_hash: str
    image_hash: str | None
    status: Status
    ms: float | None


@dataclass(frozen=True)
class ScoreRow:
    """One number of one picture. `metric`, `judge`: "name@version". `value` is None unless status is ok."""

    sample: str
    metric: str
    judge: str
    value: float | None
    status: Status


@dataclass(frozen=True)
class StepRow:
    """One step of a training: `step` updates are done. `scalars`: "loss", "gradient_norm", the objective's
    own."""

    run: str
    step: int
    scalars: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Artifact:
    """A file that a run made, and the hash of the model it belongs to."""

    id: str
    hash: str
    path: str
    base_hash: str
    run: str


def canonical(obj: Any) -> str:
    """The one JSON text of a configuration: sorted keys, no spaces, no NaN; dataclasses as their fields."""
    options = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False, "allow_nan": False}
    return json.dumps(obj, default=_plain, **options)


def digest(obj: Any) -> str:
    """sha256 of the canonical JSON, in hex."""
    return sha256(canonical(obj).encode()).hexdigest()


def noise_seed(task: str, row: int, k: int) -> int:
    """The seed of sample k of a task's row, 63 bits. Model, method and policy stay out."""
    return int(digest([task, row, k])[:16], 16) >> 1


def sample_id(config: Any, task: str, row: int, k: int) -> str:
    """The resume key of a picture: everything that decides it, 32 hex digits."""
    return digest([config, task, row, k])[:32]


def _plain(obj: Any) -> Any:
    if isinstance(obj, Enum):
        return obj.value
    if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        return dataclasses.asdict(obj)
    if isinstance(obj, frozenset | set):
        return sorted(obj)
    if isinstance(obj, Mapping):
        return dict(obj)
    raise TypeError(f"{type(obj).__name__} has no canonical JSON: {obj!r:.80}")
