"""What CLIP's vision tower is shown of a picture, and its weights: read from disk, never fetched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import snapshot_download
from jaxtyping import Float, UInt8
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from safelight.core.errors import BadInput, Damaged
from safelight.core.nouns import Score

WEIGHTS, CONFIG, PREPROCESSOR = "model.safetensors", "config.json", "preprocessor_config.json"


@dataclass(frozen=True)
class Eye:
    """CLIP's preprocessing (Radford et al. 2021): the short side to `side` pixels, bicubic, then the centre
    square, then (x - mean) / std of values in [0, 1]. What lies outside of the square is not seen.
    """

    side: int = 224
    mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)

    def __call__(self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> Float[Tensor, "n 3 side side"]:
        squares = torch.from_numpy(np.stack([self._square(image) for image in images])).float() / 255
        return ((squares - torch.tensor(self.mean)) / torch.tensor(self.std)).permute(0, 3, 1, 2)

    def _square(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "side side 3"]:
        height, width = image.shape[:2]
        short = min(height, width)
        size = self.side * width // short, self.side * height // short
        left, top = (size[0] - self.side) // 2, (size[1] - self.side) // 2
        scaled = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
        return scaled[top : top + self.side, left : left + self.side]


def scores(
    name: str,
    labels: Sequence[str],
    values: Float[np.ndarray, "n labels"],
    v: Float[Tensor, "n d"],
) -> list[Score]:
    """Values computed from image embeddings v, failed where they cannot be believed: NaN, and vectors of
    length 0, which have no direction and whose cosine would read as a harmless 0.
    """
    sound = np.isfinite(values).all(1) & (v.norm(dim=1) > 0).numpy()
    damaged = Score(None, "failed", f"{name} read NaN or nothing: the picture or the weights are damaged")
    return [
        Score(dict(zip(labels, row, strict=True))) if good else damaged
        for row, good in zip(values.tolist(), sound, strict=True)
    ]


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
    """How the pictures for the weights in a folder are prepared. Raises BadInput for another preparation."""
    path = folder / PREPROCESSOR
    if not path.exists():
        return Eye(side)
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        size = told["size"]
        short = size if isinstance(size, int) else size["shortest_edge"]
        eye = Eye(side, tuple(told["image_mean"]), tuple(told["image_std"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(
            f"{path} says nothing of size, image_mean or image_std ({error!r}): fetch it again"
        ) from error
    if short != side or told.get("resample", 3) != Image.Resampling.BICUBIC:
        raise BadInput(
            f"{path} wants pictures of another size than its tower, {side}, or not bicubic: no CLIP's"
        )
    return eye
