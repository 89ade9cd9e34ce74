"""Conditionings as files: what text encoders make of a text, or what was learnt to stand in its place.

A safetensors file with one tensor for each part of a `Cond` of batch 1: `tokens.text_encoder` [1, l, d],
`pooled.text_encoder_2` [1, d], as the family has them. A method takes it where it takes a concept's text.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from safelight.core.errors import BadInput, Damaged
from safelight.core.nouns import Cond
from safelight.core.records import digest
from safelight.store.artifacts import tensor_hash
from safelight.store.files import write_tensors

SUFFIX = ".safetensors"
PARTS = ("tokens", "pooled", "extra")


def save(cond: Cond, path: str | Path) -> None:
    """Writes what `backbone.encode([text])` gives, or a conditioning of that shape. Raises BadInput."""
    try:
        write_tensors(Path(path), _named(cond), {})
    except (OSError, SafetensorError) as error:
        raise BadInput(f"cannot write {path}: {error}; name a file that is writable") from error


def content(cond: Cond) -> str:
    """A hash of the values; the same in all dtypes that hold them."""
    return digest({name: [tensor_hash(tensor), *tensor.shape] for name, tensor in _named(cond).items()})


def load(path: str | Path) -> Cond:
    """The conditioning in a file.

    Raises:
        BadInput: there is no such file, or it cannot be read.
        Damaged: it is truncated, holds something else, more than one text, or a value that is not finite.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise BadInput(f"the embedding {path} cannot be read: {error}") from error
    except SafetensorError as error:
        raise Damaged(f"{path} is truncated or no safetensors file ({error}): make it again") from error
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    for name, tensor in tensors.items():
        part, _, key = name.partition(".")
        if part not in parts or not key or tensor.ndim < 2:
            raise Damaged(
                f"{path} is no embedding: {name} {tuple(tensor.shape)} is no part of a conditioning"
            )
        if len(tensor) != 1 or not tensor.isfinite().all():
            raise Damaged(f"{path}: {name} must hold one text, in finite values; got {tuple(tensor.shape)}")
        parts[part][key] = tensor
    if not parts["tokens"]:
        raise Damaged(f"{path} is no embedding: it has no tokens")
    return Cond(**parts)


def among(texts: Iterable[str]) -> dict[str, Cond]:
    """By path, the conditionings of those that are no texts but files. Raises as `load`."""
    return {text: load(text) for text in texts if text.endswith(SUFFIX)}


def _named(cond: Cond) -> dict[str, Tensor]:
    return {f"{part}.{key}": value for part in PARTS for key, value in getattr(cond, part).items()}
