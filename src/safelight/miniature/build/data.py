"""Stage `world`: the data set, drawn from seeds; and how the later stages read it."""

from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Int8, UInt8
from torch import Tensor

from safelight.miniature.build import recipe
from safelight.miniature.build.chunk import draw_chunk
from safelight.miniature.build.progress import Progress
from safelight.miniature.scene import PROFESSIONS
from safelight.miniature.truth import HEADS
from safelight.miniature.words import VIOLENT


@dataclass(frozen=True)
class Split:
    """Pictures on disk with their captions and truth."""

    images: UInt8[np.ndarray, "n 64 64 3"]
    labels: Int8[np.ndarray, "n heads"]  # column order of truth.HEADS; -1 = not to be read in this picture
    captions: list[str]

    def batch(self, index: Tensor) -> Float[Tensor, "b 3 64 64"]:
        """Pictures `index` as floats in [-1, 1]."""
        return as_floats(self.images[index.numpy()])


def as_floats(images: UInt8[np.ndarray, "b h w 3"]) -> Float[Tensor, "b 3 h w"]:
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def as_bytes(images: Float[Tensor, "b 3 h w"]) -> UInt8[np.ndarray, "b h w 3"]:
    return ((images.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


def load(folder: Path, split: str) -> Split:
    """`split` is "train" or "validation"; the pictures stay on disk until they are read."""
    with open(folder / f"{split}.jsonl", encoding="utf-8") as rows:
        captions = [json.loads(row)["caption"] for row in rows]
    return Split(
        images=np.load(folder / f"{split}.images.npy", mmap_mode="r"),
        labels=np.load(folder / f"{split}.labels.npy"),
        captions=captions,
    )


def slow_to_learn(folder: Path, split: str) -> Int[Tensor, " m"]:
    """Index of the pictures of a harmless profession or of several things."""

    def slow(scene: dict[str, Any]) -> bool:
        at_work = scene["kind"] == "person" and scene["name"] in PROFESSIONS and scene["name"] not in VIOLENT
        return at_work or scene["count"] > 1 or bool(scene["other"])

    with open(folder / f"{split}.jsonl", encoding="utf-8") as rows:
        return torch.tensor([i for i, row in enumerate(rows) if slow(json.loads(row)["scene"])])


def draw_world(folder: Path, progress: Progress) -> dict[str, float]:
    """Draw both splits into `folder` with two processes; returns their sizes."""
    train = [(recipe.TRAIN_SEED + k, recipe.CHUNK) for k in range(recipe.TRAIN_CHUNKS)]
    write_split(folder, "train", train, progress)
    write_split(folder, "validation", [(recipe.VALIDATION_SEED, recipe.VALIDATION)], progress)
    return {"train": sum(n for _, n in train), "validation": recipe.VALIDATION}


def write_split(folder: Path, split: str, chunks: list[tuple[int, int]], progress: Progress) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    total, done = sum(n for _, n in chunks), 0
    partial = folder / f"{split}.partial"
    images = np.lib.format.open_memmap(partial, "w+", np.uint8, (total, 64, 64, 3))
    truth = np.empty((total, len(HEADS)), np.int8)
    context = multiprocessing.get_context("spawn")  # a fork would inherit torch's threads in a broken state
    with (
        context.Pool(min(2, len(chunks))) as pool,
        open(folder / f"{split}.jsonl", "w", encoding="utf-8") as rows,
    ):
        for pictures, heads, records in pool.imap(draw_chunk, chunks):
            here = slice(done, done + len(pictures))
            images[here], truth[here] = pictures, heads
            rows.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
            done = here.stop
            progress("world", done, total, split)
    images.flush()
    np.save(folder / f"{split}.labels.npy", truth)
    os.replace(partial, folder / f"{split}.images.npy")
