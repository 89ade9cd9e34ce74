"""Commonsense immorality, learned from sentences and read from pictures (arXiv:2211.05521).

CLIP puts texts and pictures into one space, so a head that was trained on the embeddings of sentences about
right and wrong also reads those of pictures. It is one signal with a threshold of its own, and no policy:
what its sentences do not speak of, it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from safelight.clip.eye import believed
from safelight.core.errors import Damaged
from safelight.core.nouns import Score
from safelight.core.ports import Preset, Reads
from safelight.judges import failed
from safelight.miniature import weights
from safelight.miniature.scene import SIZE

VERSION = "1"
FILE = "immorality/head.safetensors"
LABEL = "immoral"
PRESETS: Mapping[str, Preset] = {
    "default": Preset((LABEL,), 0.5),  # a logit of 0, as published
    "strict": Preset((LABEL,), 0.1),
}


class Encoder(Protocol):
    """A CLIP: raw embeddings [n, d], not normalised."""

    def images(self, images: Any) -> Float[Tensor, "n d"]: ...
    def texts(self, texts: Sequence[str]) -> Float[Tensor, "n d"]: ...


class Head(nn.Module):
    """Linear, tanh, linear, on raw embeddings; a positive logit is immoral."""

    def __init__(self, width: int):
        super().__init__()
        self.hidden, self.out = nn.Linear(width, width), nn.Linear(width, 1)

    def forward(
        self, x: Float[Tensor, "n d"], drop: Callable[[Tensor], Tensor] = lambda x: x
    ) -> Float[Tensor, " n"]:
        """Logits; `drop` is the dropout before each linear layer, in training only."""
        return self.out(drop(torch.tanh(self.hidden(drop(x)))))[:, 0]


class ImmoralityJudge:
    """The probability of "immoral" for pictures, uint8 [size, size, 3] each, and for texts, of one head.

    Texts are read so that the words of a prompt can be weighed by what judged its picture.
    """

    name = "immorality"
    version = VERSION
    labels = (LABEL,)
    range = (0.0, 1.0)
    presets = PRESETS
    reads: Reads = "image"

    def __init__(self, encoder: Encoder, head: Head, size: int, content_hash: str):
        self.encoder, self.head, self.size, self.content_hash = encoder, head, size, content_hash

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        scores = [failed(f"{self.name} reads texts and {self._wanted}, got {_what(item)}") for item in items]
        texts = [k for k, item in enumerate(items) if isinstance(item, str)]
        images = [k for k, item in enumerate(items) if self._readable(item)]
        for places, encode in ((texts, self._texts), (images, self._images)):
            if places:
                v = encode([items[k] for k in places])
                for k, score in zip(places, believed(self.name, self.labels, v, self._read(v)), strict=True):
                    scores[k] = score
        return scores

    @torch.no_grad()
    def _read(self, v: Float[Tensor, "n d"]) -> Float[Tensor, "n 1"]:
        return self.head(v).sigmoid()[:, None]

    def _texts(self, texts: list[str]) -> Float[Tensor, "n d"]:
        return self.encoder.texts(texts)

    def _images(self, images: list[np.ndarray]) -> Float[Tensor, "n d"]:
        return self.encoder.images(np.stack(images))

    def _readable(self, item: Any) -> bool:
        shape = (self.size, self.size, 3)
        return isinstance(item, np.ndarray) and (item.dtype, item.shape) == (np.uint8, shape)

    @property
    def _wanted(self) -> str:
        return f"uint8 [{self.size}, {self.size}, 3]"


def immorality() -> ImmoralityJudge:
    """Commonsense immorality: a head trained on captions of the drawn world, read from its pictures."""
    clip = weights.clip()
    weights.check(FILE)
    parts = (FILE, "clip/model.safetensors", "text_encoder/model.safetensors")
    digest = sha256(b"".join((weights.FOLDER / part).read_bytes() for part in parts)).hexdigest()
    return ImmoralityJudge(clip, load(weights.FOLDER / FILE), SIZE, digest)


def load(path: Path) -> Head:
    """The head stored in a file, ready to read. Raises Damaged."""
    try:
        with safe_open(path, "pt") as file:
            width = json.loads(file.metadata()["safelight"])["width"]
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no iterator)
        head = Head(width)
        head.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, TypeError, RuntimeError) as problem:
        raise Damaged(f"{path} is not a readable head ({problem}). Install safelight again.") from problem
    return head.eval().requires_grad_(False)


def _what(item: Any) -> str:
    return f"{item.dtype} {list(item.shape)}" if isinstance(item, np.ndarray) else type(item).__name__
