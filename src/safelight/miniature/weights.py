"""The weights that ship inside the package."""

from __future__ import annotations

import json
from functools import cache
from hashlib import file_digest
from pathlib import Path

from safelight.core.errors import Damaged
from safelight.miniature import clip as clips
from safelight.miniature import oracle as oracles
from safelight.miniature.oracle import Architecture, Oracle

FOLDER = Path(__file__).parent / "weights"


@cache
def oracle(architecture: Architecture = "A") -> Oracle:
    """The oracle that judges (A), or the one that checks it (B). Raises Damaged."""
    name = f"oracle/{architecture.lower()}.safetensors"
    check(name)
    return oracles.load(FOLDER / name)


@cache
def clip() -> clips.Clip:
    """The vision and text towers. Raises Damaged."""
    for name in ("clip/model.safetensors", "text_encoder/model.safetensors", "tokenizer/tokenizer.json"):
        check(name)
    return clips.load(FOLDER)


def check(name: str) -> None:
    """The file `name` is the one that was shipped. Raises Damaged."""
    try:
        expected = json.loads((FOLDER / "checksums.json").read_text(encoding="utf-8"))[name]
        with open(FOLDER / name, "rb") as file:
            found = file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, KeyError) as problem:
        raise Damaged(
            f"{FOLDER / name} cannot be checked ({problem!r}): install safelight again"
        ) from problem
    if found != expected:
        raise Damaged(
            f"{FOLDER / name} is not the file that was shipped (its sha256 differs): install safelight again"
        )
