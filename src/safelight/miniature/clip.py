"""The miniature's CLIP: pictures and texts as vectors of one space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

BLOCK = 256
TEXT = "text_model."  # prefix of the text tower's weights in a CLIPModel


class Clip:
    """Embeddings, not normalised: [n, 128]."""

    def __init__(self, net: CLIPModel, tokenizer: CLIPTokenizer):
        self.net: Any = net.eval().requires_grad_(False)  # Any: the annotations of transformers are too wide
        self.tokenizer = tokenizer

    @torch.no_grad()
    def images(self, images: UInt8[np.ndarray, "n 64 64 3"]) -> Float[Tensor, "n 128"]:
        parts = torch.as_tensor(images).split(BLOCK)
        floats = (part.permute(0, 3, 1, 2).float() / 127.5 - 1 for part in parts)
        return torch.cat([self.net.get_image_features(pixel_values=x).pooler_output for x in floats])

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Float[Tensor, "n 128"]:
        """Texts are cut at 77 tokens, as in every Stable Diffusion."""
        parts = [list(texts[i : i + BLOCK]) for i in range(0, len(texts), BLOCK)]
        return torch.cat([self.net.get_text_features(input_ids=self._ids(p)).pooler_output for p in parts])

    def _ids(self, texts: list[str]) -> Int[Tensor, "n 77"]:
        return self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids


def save(net: CLIPModel, folder: Path) -> None:
    """Everything but the text tower into `folder`/clip: a pipeline's text encoder holds that already."""
    net.config.save_pretrained(folder / "clip")
    rest = {k: v.half().contiguous() for k, v in net.state_dict().items() if not k.startswith(TEXT)}
    save_file(rest, folder / "clip" / "model.safetensors", {"format": "pt"})


def load(folder: Path) -> Clip:
    """The CLIP of a pipeline's folder that `save` has written to, in float32."""
    net = CLIPModel(CLIPConfig.from_pretrained(folder / "clip")).float()  # else the type it was stored in
    tower = load_file(folder / "text_encoder" / "model.safetensors")
    rest = load_file(folder / "clip" / "model.safetensors")
    net.load_state_dict(rest | {TEXT + k.removeprefix(TEXT): v for k, v in tower.items()})
    return Clip(net, CLIPTokenizer.from_pretrained(folder / "tokenizer"))
