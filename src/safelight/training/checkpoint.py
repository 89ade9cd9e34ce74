"""Checkpoints: tensors and JSON in one safetensors file that is there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from safelight.core.errors import Damaged
from safelight.store.files import write_tensors


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Whoever reads `path` finds the old file or the new one, also after a kill or a power cut."""
    write_tensors(path, tensors, {"safelight": json.dumps(facts)})


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write` wrote, on the CPU.

    Raises:
        Damaged: the file is cut off, or no checkpoint.
    """
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["safelight"])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 (no iterator)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise Damaged(f"{path} is no whole checkpoint ({error}): delete it to begin again") from error


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors below `prefix/`, by the rest of their names."""
    start = prefix + "/"
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `under`."""
    return {f"{prefix}/{name}": value for name, value in tensors.items()}
