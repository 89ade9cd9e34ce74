"""Distances of a run's pictures, as a set, to a task's reference pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from safelight.core.intervals import Figure
from safelight.core.records import Sample
from safelight.metrics import stack
from safelight.metrics.fid import Fid, Moments, extrapolate, frechet
from safelight.miniature.draw import render
from safelight.store.images import Images
from safelight.tasks import Task

BLOCK = 256  # pictures held at a time


def renders(task: Task, fid: Fid) -> Moments:
    """The moments of what all captions of the task were written for, drawn by the miniature's own hand."""
    scenes = [row.scene for row in task.rows]
    return fid.moments(
        stack([render(s) for s in scenes[i : i + BLOCK]]) for i in range(0, len(scenes), BLOCK)
    )


def distances(
    samples: Sequence[Sample], images: Images, references: Sequence[tuple[Fid, Moments]]
) -> Iterator[tuple[str, Figure]]:
    """The FID of a run by its full name, and FID-infinity with its interval where the pictures are enough for
    it.
    """
    good = [sample for sample in samples if sample.status == "ok"]
    n, prompts, failed = len(good), len({sample.row for sample in good}), len(samples) - len(good)
    for fid, reference in references:
        name = f"{fid.name}@{fid.version}"
        if n < 2:
            yield name, Figure(None, None, None, n, prompts, "too few pictures", failed=failed)
            continue
        x = _features(good, images, fid)
        value = frechet(reference, Moments.of(x))
        yield name, Figure(value, None, None, n, prompts, "too large by about b/n", failed=failed)
        if n >= 2 * (x.shape[1] + 1):
            a, lo, hi = extrapolate(x, reference)
            how = "line through subsets"
            yield f"{fid.name}:infinity@{fid.version}", Figure(a, lo, hi, n, prompts, how, 0, failed)


def _features(samples: Sequence[Sample], images: Images, fid: Fid) -> Float[np.ndarray, "n d"]:
    parts = [samples[i : i + BLOCK] for i in range(0, len(samples), BLOCK)]
    return np.concatenate(
        [fid.features(stack([images.get(str(s.image_hash)) for s in part])) for part in parts]
    )
