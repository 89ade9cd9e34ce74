"""Tensor files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file. Whoever reads `path` finds the old one or the new one, also after a kill or
    a power cut, and two writers do not mix. Raises OSError or SafetensorError."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file(plain, partial, dict(metadata))
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Removes what writers that were killed left in a folder; only for the one who alone writes there."""
    for partial in folder.glob(".*.partial"):
        partial.unlink()
