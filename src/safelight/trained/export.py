"""Artifacts for programs that know nothing of safelight: a whole diffusers folder, or a LoRA.

A LoRA has rank r, a trained change mostly has not: W' - W ~ B A is the best such product, by the singular
values (Eckart and Young 1936). What it misses is told. Changes of biases and norms have no place in it. What
was trained as a LoRA is written as it is.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from safelight.core.errors import BadInput
from safelight.core.valid import whole
from safelight.diffusion import patch
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.diffusion.whole import CHECKSUMS
from safelight.methods.weights.weights import Weights
from safelight.store.files import write_tensors

LORA = "pytorch_lora_weights.safetensors"
"""The file that diffusers' `load_lora_weights(FOLDER)` looks for."""
FOREIGN = ("*.bin", "*.ckpt", "*.pt", "*.pth", "*.msgpack", "*.h5")
"""Weights in other formats than safetensors; they stay behind."""


@dataclass(frozen=True)
class Lora:
    """rank: of every product. error: || W' - W - BA || / || W' - W || over all tensors, in [0, 1].
    left_out: tensors whose change has no place in a LoRA; it counts as error."""

    rank: int
    error: float
    left_out: tuple[str, ...]


def export(
    file: str | Path,
    model: Generator | str | Path = "miniature",
    out: str | Path = "exported",
    lora: int | None = None,
) -> Lora | None:
    """Write the folder `out`: the whole model with the artifact in it, or with `lora` a LoRA of that rank.

    Raises:
        BadInput: `out` holds something, or the model has no folder to take the other files from.
        Refused: the artifact was made of another model.
        Damaged: the artifact is not whole.
    """
    target = Path(out).expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInput(f"'{target}' is there already: name a new folder")
    if lora is not None:
        whole("lora", lora, 1)
    method = Weights(str(file))
    generator = model if isinstance(model, Generator) else load(model)
    if lora is None and generator.folder is None:
        raise BadInput("a whole folder is made of a model's folder: name that, or a hub id")
    [artifact] = method.artifacts
    held = patch.tensors(generator.backbone)
    before = {name: held[name].detach().clone() for name in artifact.manifest.base}
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with method.edit(generator.backbone):
            partial.mkdir(parents=True)
            if lora is None:
                _whole(generator, {name.split(".")[0] for name in before}, partial)
                found = None
            elif artifact.manifest.kind == "lora" and (rank := artifact.rank) <= lora:
                write_tensors(partial / LORA, artifact.tensors, {"format": "pt"})
                found = Lora(rank, 0.0, ())
            else:
                changes = {n: held[n].detach().cpu().double() - w.cpu().double() for n, w in before.items()}
                tensors, found = low_rank(changes, lora)
                write_tensors(partial / LORA, tensors, {"format": "pt"})
        if target.exists():
            target.rmdir()
        os.replace(partial, target)
    except OSError as error:
        raise BadInput(f"cannot write {target}: {error.strerror}; name a folder that is writable") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return found


def low_rank(changes: Mapping[str, Tensor], rank: int) -> tuple[dict[str, Tensor], Lora]:
    """B = U sqrt(S), A = sqrt(S) V^T of each change D = U S V^T, cut after `rank`, by diffusers' names.

    All have the same rank, with zeros where a matrix has less: diffusers takes the scale from the first one.

    Raises:
        BadInput: no matrix changes.
    """
    tensors: dict[str, Tensor] = {}
    left_out: list[str] = []
    missed = total = 0.0
    for name, change in changes.items():
        norm = float(change.square().sum())
        total += norm
        if norm == 0:
            continue
        if change.dim() < 2:
            left_out.append(name)
            missed += norm
            continue
        U, S, Vt = torch.linalg.svd(change.flatten(1), full_matrices=False)
        missed += float(S[rank:].square().sum())
        k, root = min(rank, len(S)), S[:rank].sqrt()
        A, B = torch.zeros(rank, Vt.shape[1]), torch.zeros(len(U), rank)
        A[:k], B[:, :k] = root[:, None] * Vt[:rank], U[:, :rank] * root
        layer = name.removesuffix(".weight")
        tensors[f"{layer}.lora_A.weight"] = A.reshape(rank, *change.shape[1:])
        tensors[f"{layer}.lora_B.weight"] = B.reshape(-1, rank, *[1] * (change.dim() - 2))
    if not tensors:
        raise BadInput("the artifact changes no matrix, so there is no LoRA of it: export the whole folder")
    return tensors, Lora(rank, math.sqrt(missed / total), tuple(left_out))


def _whole(generator: Generator, changed: set[str], target: Path) -> None:
    """The changed networks as they are now; all else as in the model's folder."""
    source = generator.folder
    assert source is not None
    index = json.loads((source / "model_index.json").read_text(encoding="utf-8"))
    for name, entry in index.items():
        if name in changed:
            generator.backbone.parts[name].save_pretrained(target / name)  # pyright: ignore[reportCallIssue]
        elif isinstance(entry, list) and (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns(*FOREIGN))
        elif isinstance(entry, list):
            index[name] = [None, None]  # a part that this copy of the model has not got, such as a checker
    for path in source.iterdir():
        if (path.suffix in (".json", ".md") and path.name != CHECKSUMS) or path.stem == "LICENSE":
            shutil.copyfile(path, target / path.name)
    (target / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
