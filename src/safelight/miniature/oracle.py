"""The oracles: two small networks that read a drawn picture's attributes back.

A judge is only as good as the network it reads with, so there are two, of different architecture and seed.
`A` (plain convolutions, batch normalisation, strides) is the judge. Where `B` (residual blocks, group
normalisation, max pooling) reads something else, one of the two is wrong, so their disagreement shows the
error on pictures whose truth is not known. A's features serve FID, KID and LPIPS.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from safelight.core.errors import Damaged

Architecture = Literal["A", "B"]
Images = UInt8[np.ndarray, "n 64 64 3"] | UInt8[Tensor, "n 64 64 3"]
FEATURES = 128
VERSION = "1"
BLOCK = 256  # pictures at a time


class Oracle(nn.Module):
    """`heads`: attribute -> names of its classes, in the order of the probabilities."""

    def __init__(self, architecture: Architecture, heads: Mapping[str, tuple[str, ...]]):
        super().__init__()
        self.architecture, self.classes = architecture, dict(heads)
        self.content_hash = ""  # of the file it was loaded from
        self.stages = nn.ModuleList(plain() if architecture == "A" else residual())
        self.trunk = nn.Linear(64 * 4 * 4, FEATURES)
        self.heads = nn.ModuleDict({head: nn.Linear(FEATURES, len(names)) for head, names in heads.items()})

    def maps(self, x: Float[Tensor, "n 3 64 64"]) -> list[Float[Tensor, "n c h w"]]:
        """The output of every stage, from 32 x 32 to 4 x 4 positions; `x` in [-1, 1]."""
        out = []
        for stage in self.stages:
            x = stage(x)
            out.append(x)
        return out

    def forward(self, x: Float[Tensor, "n 3 64 64"]) -> dict[str, Float[Tensor, "n classes"]]:
        """Logits by head; `x` in [-1, 1]."""
        summary = F.relu(self.trunk(self.maps(x)[-1].flatten(1)))
        return {head: layer(summary) for head, layer in self.heads.items()}

    @torch.no_grad()
    def read(self, images: Images) -> dict[str, Float[Tensor, "n classes"]]:
        """Probabilities by head."""
        parts = [self(x) for x in blocks(images)]
        return {head: torch.cat([p[head] for p in parts]).softmax(1) for head in self.classes}

    @torch.no_grad()
    def features(self, images: Images) -> Float[Tensor, "n 128"]:
        """The last hidden layer, non-negative: what FID and KID compare."""
        return torch.cat([F.relu(self.trunk(self.maps(x)[-1].flatten(1))) for x in blocks(images)])

    @torch.no_grad()
    def pyramid(self, images: Images) -> list[Float[Tensor, "n c h w"]]:
        """The maps of every stage, fine to coarse: what LPIPS compares."""
        parts = [self.maps(x) for x in blocks(images)]
        return [torch.cat(level) for level in zip(*parts, strict=True)]

    def save(self, path: Path) -> None:
        """Half-precision weights with the architecture and the class names in the file's metadata."""
        about = {"schema": 1, "kind": "module", "architecture": self.architecture, "version": VERSION}
        whole = {k: v.half() if v.is_floating_point() else v for k, v in self.state_dict().items()}
        save_file(whole, path, {"safelight": json.dumps(about | {"heads": self.classes})})


def load(path: Path) -> Oracle:
    """The oracle stored in `path`, in float32, ready to read. Raises Damaged."""
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["safelight"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no iterator)
        net = Oracle(about["architecture"], {head: tuple(names) for head, names in about["heads"].items()})
        net.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, TypeError, RuntimeError) as problem:
        raise Damaged(f"{path} is not a readable oracle ({problem}). Install safelight again.") from problem
    net.content_hash = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return net.eval().requires_grad_(False)


def blocks(images: Images) -> Iterator[Float[Tensor, "n 3 64 64"]]:
    """The pictures as floats in [-1, 1], `BLOCK` at a time."""
    for part in torch.as_tensor(images).split(BLOCK):
        yield part.permute(0, 3, 1, 2).float() / 127.5 - 1


def plain() -> list[nn.Module]:
    """Architecture A: two convolutions a resolution, the first of them with stride 2."""

    def layer(i: int, o: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]

    widths = (3, 32, 64, 96, 64)
    return [nn.Sequential(*layer(i, o, 2), *layer(o, o, 1)) for i, o in pairwise(widths)]


class Residual(nn.Module):
    """x + convolutions of normalised x (He et al. 2016, arXiv 1603.05027)."""

    def __init__(self, width: int):
        super().__init__()
        parts = [(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)) for _ in range(2)]
        self.branch = nn.Sequential(*(layer for part in parts for layer in part))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


def residual() -> list[nn.Module]:
    """Architecture B: 2 x 2 pixels become channels, then residual blocks between max pools."""
    return [
        nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 32, 3, padding=1), Residual(32)),
        nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(32, 64, 1), Residual(64)),
        nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(64, 80, 1), Residual(80)),
        nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(80, 64, 1), Residual(64)),
    ]
