"""CLIP with both towers, the miniature's own or one from disk: pictures and texts in one space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from safelight.clip.eye import WEIGHTS, Eye, eye_of, folder_of, hash_of, weights_of
from safelight.core.errors import BadInput, Damaged
from safelight.miniature import weights as miniature

MINIATURE = "miniature"
BLOCK = 32  # pictures at a time
TOKENIZER = ("vocab.json", "merges.txt", "tokenizer_config.json")


@dataclass(frozen=True)
class Clip:
    """Embeddings are not normalised."""

    net: Any  # a CLIPModel; the annotations of transformers are too wide
    tokenizer: CLIPTokenizer
    eye: Eye
    content_hash: str

    @property
    def width(self) -> int:
        return self.net.config.projection_dim

    @torch.no_grad()
    def images(self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> Float[Tensor, "n d"]:
        blocks = (self.eye(images[i : i + BLOCK]) for i in range(0, len(images), BLOCK))
        return torch.cat([self.net.get_image_features(pixel_values=x).pooler_output for x in blocks])

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Raises BadInput for a text of which CLIP would not read the end."""
        tokens = self.tokenizer(list(texts), padding=True, return_tensors="pt")
        if (length := tokens.input_ids.shape[1]) > (
            most := self.net.config.text_config.max_position_embeddings
        ):
            longest = max(texts, key=len)
            raise BadInput(
                f"CLIP reads {most} tokens and '{longest:.60}...' has {length}: make several texts of it"
            )
        return self.net.get_text_features(**tokens).pooler_output


def load(where: str) -> Clip:
    """ "miniature", a folder in transformers' layout, or a hub id in the hub's cache.

    Raises:
        BadInput: it is not here.
        Damaged: its weights are not readable.
    """
    if where == MINIATURE:
        net = miniature.clip()
        digest = hash_of(*(miniature.FOLDER / part / WEIGHTS for part in ("clip", "text_encoder")))
        return Clip(net.net, net.tokenizer, Eye(64, (0.5,) * 3, (0.5,) * 3), digest)
    folder = folder_of(where, TOKENIZER)
    tensors, digest = weights_of(folder)
    try:
        config = CLIPConfig.from_pretrained(folder)
        with torch.random.fork_rng(devices=[]):  # a new network draws weights, which are then replaced
            net = CLIPModel(config).float()  # else the type it was stored in
        net.load_state_dict(tensors)
        tokenizer = CLIPTokenizer.from_pretrained(folder)
    except (OSError, ValueError, RuntimeError) as error:
        raise Damaged(f"{folder} holds no CLIP with its tokenizer ({error}): fetch it again") from error
    vision: Any = config.vision_config
    return Clip(net.eval().requires_grad_(False), tokenizer, eye_of(folder, vision.image_size), digest)
