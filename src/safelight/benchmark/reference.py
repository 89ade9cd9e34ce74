"""Distances of a run's pictures, as a set, to a task's reference pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from jaxtyping import Float, UInt8

from safelight.benchmark.naming import column
from safelight.core.intervals import Figure
from safelight.core.records import Sample
from safelight.metrics import Distance, Features, stack
from safelight.miniature.draw import render
from safelight.store.images import Images
from safelight.tasks import Task

BLOCK = 256  # pictures held at a time
Reference = tuple[Distance, Float[np.ndarray, "m d"]]
"""A distance and the features that it compares with."""


def renders(task: Task, features: Features) -> Float[np.ndarray, "m d"]:
    """The features of what all captions of the task were written for, drawn by the miniature's own hand."""
    return _features((render(row.scene) for row in task.rows), features)


def distances(
    samples: Sequence[Sample],
    images: Images,
    references: Sequence[Reference],
) -> Iterator[tuple[str, Figure]]:
    """Every distance of a run by its full name."""
    good = [sample for sample in samples if sample.status == "ok"]
    prompts, failed = len({sample.row for sample in good}), len(samples) - len(good)
    for distance, reference in references:
        name = f"{distance.name}@{distance.version}"
        if not good:
            yield name, Figure(None, None, None, 0, 0, "nothing measured", failed=failed)
            continue
        x = _features((images.get(str(s.image_hash)) for s in good), distance.features)
        for label, figure in distance.figures(reference, x):
            yield column(name, label), replace(figure, prompts=prompts, failed=failed)


def _features(pictures: Iterable[UInt8[np.ndarray, "h w 3"]], features: Features) -> Float[np.ndarray, "n d"]:
    left = iter(pictures)
    return np.concatenate([features(stack(block)) for block in iter(lambda: list(islice(left, BLOCK)), [])])
