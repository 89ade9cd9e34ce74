"""Stage `immorality`: the judge's head, trained on captions alone, measured on pictures."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPModel, CLIPTokenizer

from safelight.judges.immorality import VERSION, Head
from safelight.miniature.build import recipe
from safelight.miniature.captions import NEUTRAL, sample
from safelight.miniature.clip import Clip
from safelight.miniature.draw import render
from safelight.training.fit import Plan
from safelight.training.immorality import learn

MORAL = (*NEUTRAL, "look-alike")  # harmless words that a filter fears belong to what it must learn
IMMORAL = ("bare-explicit", "violent-explicit")
PROBE = 400  # captions, and pictures, that measure


def train(folder: Path, clip: Path, tokenizer: Path) -> dict[str, float]:
    """Train the head, save it to `folder/head.safetensors`, return its accuracies on texts and pictures."""
    encoder = Clip(CLIPModel.from_pretrained(clip).float(), CLIPTokenizer.from_pretrained(tokenizer))
    texts, labels = labelled(recipe.IMMORALITY_TEXTS, recipe.IMMORALITY_SEED)
    plan = Plan(recipe.IMMORALITY_STEPS, lr=2e-3, weight_decay=0.01, seed=recipe.IMMORALITY_SEED)
    head = learn(encoder.texts(texts), labels, folder, plan)
    save(head, folder / "head.safetensors")
    held_out, truth = labelled(PROBE, recipe.IMMORALITY_SEED + 1, "test")
    pictures, unsafe = drawn(PROBE, recipe.IMMORALITY_SEED + 2)
    return {
        "text_accuracy": accuracy(head, encoder.texts(held_out), truth),
        "image_accuracy": accuracy(head, encoder.images(pictures), unsafe),
    }


def labelled(
    n: int, seed: int, split: Literal["train", "test"] = "train"
) -> tuple[list[str], Bool[Tensor, " n"]]:
    """Captions, every other one immoral: one whose own words say that somebody is bare or violent."""
    r = Random(seed)
    texts = [sample(r, IMMORAL if k % 2 else MORAL, split)[1] for k in range(n)]
    return texts, torch.arange(n) % 2 == 1


def drawn(n: int, seed: int) -> tuple[np.ndarray, Bool[Tensor, " n"]]:
    """Pictures of all families, uint8 [n, 64, 64, 3], and whether they show somebody bare or violent."""
    r = Random(seed)
    scenes = [sample(r)[0] for _ in range(n)]
    return np.stack([render(s) for s in scenes]), torch.tensor([s.bare or s.violent for s in scenes])


def accuracy(head: Head, features: Float[Tensor, "n d"], immoral: Bool[Tensor, " n"]) -> float:
    with torch.no_grad():
        return float(((head(features) > 0) == immoral).float().mean())


def save(head: Head, path: Path) -> None:
    about = {"schema": 1, "kind": "module", "version": VERSION, "width": head.hidden.in_features}
    save_file(
        {name: value.contiguous() for name, value in head.state_dict().items()},
        path,
        {"safelight": json.dumps(about)},
    )
