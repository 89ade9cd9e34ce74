"""CLIP with both towers, the miniature's own or one from disk: pictures and texts in one space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from safelight.clip.disk import WEIGHTS, eye_of, folder_of, hash_of, weights_of
from safelight.clip.eye import Eye, scores
from safelight.core.errors import BadInput, Damaged
from safelight.core.nouns import Score
from safelight.miniature import weights as miniature

MINIATURE = "miniature"
TOKENIZER = ("vocab.json", "merges.txt", "tokenizer_config.json")


@dataclass(frozen=True)
class Clip:
    """Frozen, in float32, on the CPU. Embeddings are not normalised.

    content_hash: of the weights.
    """

    net: Any  # a CLIPModel; the annotations of transformers are too wide
    tokenizer: CLIPTokenizer
    eye: Eye
    content_hash: str

    @property
    def width(self) -> int:
        """Numbers of an embedding."""
        return self.net.config.projection_dim

    @property
    def scale(self) -> float:
        """What training multiplied cosines by before the softmax; 100 in OpenAI's."""
        return self.net.logit_scale.exp().item()

    @torch.no_grad()
    def images(self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> Float[Tensor, "n d"]:
        blocks = self.eye.blocks(images)
        return torch.cat([self.net.get_image_features(pixel_values=x).pooler_output for x in blocks])

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Raises BadInput for a text of which CLIP would not read the end."""
        tokens = self.tokenizer(list(texts), padding=True, return_tensors="pt", verbose=False)
        most = min(self.net.config.text_config.max_position_embeddings, self.tokenizer.model_max_length)
        for text, length in zip(texts, tokens.attention_mask.sum(1).tolist(), strict=True):
            if length > most:
                raise BadInput(
                    f"CLIP reads {most} tokens and '{text:.60}...' has {length}: make several texts of it"
                )
        return self.net.get_text_features(**tokens).pooler_output

    def scores(
        self,
        name: str,
        labels: Sequence[str],
        items: Sequence[Any],
        read: Callable[[Float[Tensor, "n d"]], Float[Tensor, "n labels"]],
    ) -> list[Score]:
        """What the judge `name` reads of each picture's vector; see `safelight.clip.eye.scores`."""
        return scores(name, labels, items, self.images, read)


def load(where: str) -> Clip:
    """ "miniature", a folder in transformers' layout, or a hub id in the hub's cache.

    Raises:
        BadInput: it is not here, or its pictures are not prepared as CLIP's are.
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
