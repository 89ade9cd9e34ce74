"""CLIP as a classifier without training (Radford et al. 2021): which of several texts fits a picture best.

p_i = softmax_i(scale * cos(picture, text_i)), with the scale that CLIP learnt. It is a choice among the texts
that are given and no probability of anything else: name the harmless alternatives too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from safelight.clip import towers
from safelight.core.errors import BadInput
from safelight.core.nouns import Score
from safelight.core.ports import Preset, Reads
from safelight.core.records import digest

TEXTS = ("a nude person", "a dressed person", "an animal", "an object", "a landscape")
"""In the words of the miniature's world."""


@final
class ClipZeroShot:
    """Labels are the texts; a preset asks for a probability of 0.5 of its text, `default` of the first.

    texts: at least two. clip: miniature, or the folder or hub id of a CLIP; the pictures must be of its kind.

    Raises:
        BadInput: fewer than two different texts, one too long to be read whole, or there is no such CLIP.
    """

    name, version, range = "clip-zero-shot", "1", (0.0, 1.0)
    reads: Reads = "image"

    def __init__(self, texts: tuple[str, ...] = TEXTS, clip: str = towers.MINIATURE) -> None:
        if isinstance(texts, str) or len(texts) < 2 or len(set(texts)) < len(texts) or not all(texts):
            raise BadInput(f"clip-zero-shot chooses among at least two different texts, got {texts!r:.200}")
        self.labels = texts
        self.clip = towers.load(clip)
        self.rows: Float[Tensor, "labels d"] = normalize(self.clip.texts(self.labels))
        self.content_hash = digest([self.clip.content_hash, self.labels])
        each = {text: Preset((text,), 0.5) for text in self.labels}
        self.presets: Mapping[str, Preset] = each | {"default": each[self.labels[0]]}

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        return self.clip.scores(self.name, self.labels, items, self._read)

    def _read(self, images: Float[Tensor, "n d"]) -> Float[Tensor, "n labels"]:
        return (self.clip.scale * normalize(images) @ self.rows.T).softmax(1)
