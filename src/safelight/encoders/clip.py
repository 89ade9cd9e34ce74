"""Any CLIP by name: pictures and texts as vectors of one space (Radford et al. 2021).

"miniature" is the embedded model's own; every other name is a folder or hub id of a CLIP in transformers'
layout. How pictures are cut and resized belongs to the network and comes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from transformers import CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from safelight.core.errors import BadInput
from safelight.core.nouns import Score

BLOCK = 32  # pictures at a time
Pixels = Float[Tensor, "3 h w"]


class Clip:
    """A CLIP with its preprocessing, on the CPU, in float32.

    prepare: one picture, uint8 [h, w, 3], to what the vision tower takes; BadInput for one it cannot take.
    """

    def __init__(
        self,
        net: CLIPModel,
        tokenizer: CLIPTokenizer,
        prepare: Callable[[UInt8[np.ndarray, "h w 3"]], Pixels],
    ) -> None:
        self.net: Any = net.eval().requires_grad_(False)  # Any: the annotations of transformers are too wide
        self.tokenizer, self.prepare = tokenizer, prepare
        self.scale = self.net.logit_scale.exp().item()
        """What training multiplied cosines by before the softmax; 100 in OpenAI's."""

    @property
    def width(self) -> int:
        """Numbers of an embedding."""
        return self.net.config.projection_dim

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Embeddings, not normalised. Raises BadInput for a text that is longer than the text tower reads."""
        longest = self.tokenizer.model_max_length
        ids = self.tokenizer(list(texts)).input_ids
        if long := [text for text, row in zip(texts, ids, strict=True) if len(row) > longest]:
            raise BadInput(f"this CLIP reads {longest} tokens: shorten '{long[0]:.60}...'")
        padded = self.tokenizer(list(texts), padding="max_length", return_tensors="pt").input_ids
        return self.net.get_text_features(input_ids=padded).pooler_output

    @torch.no_grad()
    def images(self, prepared: Sequence[Pixels]) -> Float[Tensor, "n d"]:
        """Embeddings of prepared pictures, not normalised."""
        parts = [torch.stack(list(prepared[i : i + BLOCK])) for i in range(0, len(prepared), BLOCK)]
        return torch.cat([self.net.get_image_features(pixel_values=x).pooler_output for x in parts])

    def scores(
        self,
        items: Sequence[Any],
        labels: Sequence[str],
        read: Callable[[Float[Tensor, "n d"]], Float[Tensor, "n labels"]],
    ) -> list[Score]:
        """What `read` makes of each picture's vector, by label; an item that is no picture for it failed."""
        ready = [self._try(item) for item in items]
        good = [x for x in ready if isinstance(x, Tensor)]
        rows = iter(read(self.images(good)).tolist() if good else [])
        return [
            Score(dict(zip(labels, next(rows), strict=True)))
            if isinstance(x, Tensor)
            else Score(None, "failed", x)
            for x in ready
        ]

    @property
    def content_hash(self) -> str:
        """sha256 of the weights."""
        total = sha256()
        for name, value in sorted(self.net.state_dict().items()):
            total.update(f"{name} {tuple(value.shape)} ".encode())
            total.update(value.contiguous().numpy().data)
        return total.hexdigest()

    def _try(self, item: Any) -> Pixels | str:
        if not isinstance(item, np.ndarray) or item.dtype != np.uint8 or item.ndim != 3 or item.shape[2] != 3:
            return f"CLIP reads uint8 [h, w, 3], got {type(item).__name__}"
        try:
            return self.prepare(item)
        except BadInput as error:
            return str(error)


@cache
def load(name: str) -> Clip:
    """The CLIP called "miniature", or that of a folder or hub id.

    Raises:
        BadInput: there is none.
        Damaged: the miniature's weights are not those that were shipped.
    """
    if name == "miniature":
        from safelight.miniature.weights import clip

        own = clip()
        return Clip(own.net, own.tokenizer, _drawn)
    try:
        net = CLIPModel.from_pretrained(name, use_safetensors=True, dtype=torch.float32)
        tokenizer = CLIPTokenizer.from_pretrained(name)
        processor = CLIPImageProcessorPil.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"'{name}' is no CLIP: write miniature, or the folder or hub id of a CLIP of transformers "
            f"with safetensors weights ({error})"
        ) from error
    return Clip(net, tokenizer, lambda image: processor(image, return_tensors="pt").pixel_values[0])


def _drawn(image: UInt8[np.ndarray, "h w 3"]) -> Pixels:
    if image.shape != (64, 64, 3):
        raise BadInput(f"the miniature's CLIP reads drawn pictures of 64 x 64, got {list(image.shape)}")
    return torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 127.5 - 1
