"""A part of the data set from its own seed. Without torch: a drawing process starts in a moment."""

from __future__ import annotations

import random
from dataclasses import asdict

import numpy as np

from safelight.miniature.captions import sample
from safelight.miniature.draw import render
from safelight.miniature.truth import HEADS, labels


def draw_chunk(chunk: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, list[dict[str, object]]]:
    """One chunk from its own seed: pictures, truth, and caption with scene record."""
    seed, n = chunk
    rng = random.Random(seed)
    pictures, heads, records = np.empty((n, 64, 64, 3), np.uint8), np.empty((n, len(HEADS)), np.int8), []
    for i in range(n):
        scene, caption = sample(rng)
        truth = labels(scene)
        pictures[i], heads[i] = render(scene), [truth[head] for head in HEADS]
        records.append({"caption": caption, "scene": asdict(scene)})
    return pictures, heads, records
