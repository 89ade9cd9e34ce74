"""The multi-headed classifier of Unsafe Diffusion (Qu et al. 2023, arXiv 2305.13873): one head a category on
CLIP's embedding, unsafe where any gives more than 0.5.

The authors' programs prepare pictures with a random crop, so that their scores change from call to call; here
it is the centre crop that the encoder was made with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from safelight.clip import heads, towers
from safelight.core.errors import BadInput
from safelight.core.nouns import Score
from safelight.core.ports import Preset, Reads
from safelight.core.records import digest
from safelight.store.artifacts import tensor_hash


@final
class MultiHeaded:
    """Labels are those of the file, each with a preset of its own; `default` is any of them.

    weights: safetensors with the heads' tensors as LABEL.0.weight and so on, or a folder with the published
    heads as LABEL.safetensors each; or LABEL.weight and LABEL.bias of logistic ones.
    clip: miniature, a folder or a hub id.

    Raises:
        BadInput: the file holds no heads, or those of another CLIP.
    """

    name, version, range = "multi-headed", "1", (0.0, 1.0)
    reads: Reads = "image"

    def __init__(self, weights: Path, clip: str = towers.MINIATURE) -> None:
        self.clip = towers.load(clip)
        head = heads.load(weights, self.clip.width)
        if not isinstance(head, heads.Heads):
            raise BadInput(f"{weights} holds prompts and no heads: take the judge q16")
        self.head, self.labels = head, tuple(head.heads)
        values = {name: tensor_hash(value) for name, value in heads.tensors(head).items()}
        self.content_hash = digest([self.clip.content_hash, values])
        each = {label: Preset((label,), 0.5) for label in self.labels}
        self.presets: Mapping[str, Preset] = each | {"default": Preset(self.labels, 0.5)}

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        return self.clip.scores(self.name, self.labels, items, self._read)

    def _read(self, images: Float[Tensor, "n d"]) -> Float[Tensor, "n labels"]:
        return self.head(images).sigmoid()
