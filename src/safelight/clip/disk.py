"""CLIP's weights, and how its pictures are prepared: read from a folder or the hub's cache, never fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from safelight.clip.eye import Eye
from safelight.core.errors import BadInput, Damaged

WEIGHTS, CONFIG, PREPROCESSOR = "model.safetensors", "config.json", "preprocessor_config.json"
STEPS = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")


def folder_of(where: str | Path, more: Sequence[str] = ()) -> Path:
    """A folder with weights: itself, or the copy of a hub id "owner/name" in the hub's own cache.

    more: files that are needed besides weights and configuration.

    Raises:
        BadInput: there is none; with the command that fetches it.
    """
    files = [CONFIG, WEIGHTS, PREPROCESSOR, *more]
    if (folder := Path(where).expanduser()).is_dir():
        return folder
    try:
        return Path(snapshot_download(str(where), allow_patterns=files, local_files_only=True))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"the weights '{where}' are neither a folder nor in the hub's cache: hf download {where} "
            + " ".join(files)
        ) from error


def weights_of(folder: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors of a folder in float32, and the sha256 of their file. Raises Damaged, also for NaN."""
    path = folder / WEIGHTS
    try:
        tensors = load_file(path)
        digest = hash_of(path)
    except (OSError, SafetensorError) as error:
        raise Damaged(f"{path} is missing or no whole safetensors file ({error}): fetch it again") from error
    floats = {name: x.float() for name, x in tensors.items() if x.is_floating_point()}  # no position ids
    if wild := [name for name, x in floats.items() if not x.isfinite().all()]:
        raise Damaged(f"{path} has NaN or infinity in {wild[0]}: fetch it again")
    return floats, digest


def hash_of(*paths: Path) -> str:
    """sha256 of a file, or of the hashes of several."""
    digests = []
    for path in paths:
        with path.open("rb") as file:
            digests.append(file_digest(file, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else sha256(" ".join(digests).encode()).hexdigest()


def eye_of(folder: Path, side: int) -> Eye:
    """How the pictures for the weights in a folder are prepared.

    Raises:
        BadInput: otherwise than CLIP's are.
        Damaged: the file does not say it.
    """
    path = folder / PREPROCESSOR
    if not path.exists():
        return Eye(side)
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        eye = Eye(side, tuple(told["image_mean"]), tuple(told["image_std"]))
        odd = _odd(told, side)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(
            f"{path} says nothing of size, image_mean or image_std ({error!r}): fetch it again"
        ) from error
    if odd:
        raise BadInput(f"{path} has {', '.join(odd)}: no CLIP's with a tower for {side} pixels, bicubic")
    return eye


def _odd(told: Mapping[str, Any], side: int) -> list[str]:
    """What is told otherwise than `Eye` does it."""
    ours = {"size": side, "crop_size": side, "resample": Image.Resampling.BICUBIC, "rescale_factor": 1 / 255}
    ours |= dict.fromkeys(STEPS, True)
    size, crop = told["size"], told.get("crop_size", side)
    square = crop if isinstance(crop, int) else crop["height"] if crop["height"] == crop["width"] else crop
    short = size if isinstance(size, int) else size["shortest_edge"]
    theirs = ours | {key: told[key] for key in ours if key in told} | {"size": short, "crop_size": square}
    return [f"{key} = {value}" for key, value in theirs.items() if value != ours[key]]
