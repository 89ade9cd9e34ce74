"""The page of a training: its curve, its pictures, its settings, in one file without script or link."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from safelight.core.nouns import Prompt
from safelight.core.records import digest
from safelight.pages import render, uri
from safelight.store.artifacts import Artifact
from safelight.trained.recipes import spelled
from safelight.trained.record import Record

WIDTH, HEIGHT = 640, 160
"""Of the curve, in the units of its drawing."""


@dataclass(frozen=True)
class Curve:
    """The loss as the points of two lines, each step's and its running mean, between `low` and `high`."""

    each: str
    mean: str
    low: float
    high: float
    last: float

    @classmethod
    def of(cls, losses: Sequence[float]) -> Curve:
        values = np.array(losses)
        width = max(1, len(values) // 20)
        means = np.convolve(np.pad(values, (width - 1, 0), "edge"), np.ones(width) / width, "valid")
        low, high = float(values.min()), float(values.max())

        def points(line: np.ndarray) -> str:
            chosen = np.unique(np.linspace(0, len(line) - 1, WIDTH).round().astype(int))
            x = chosen / max(1, len(line) - 1) * WIDTH
            y = HEIGHT * (1 - (line[chosen] - low) / ((high - low) or 1.0))
            return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))

        return cls(points(values), points(means), low, high, float(values[-1]))


def html(record: Record, redo: str, artifact: Artifact | None) -> str:
    """The page as one HTML document, from what the record holds. `artifact`: the result, if there is one."""
    [run] = record.store.runs()
    steps, config = record.store.steps(run.id), json.loads(run.config_json)
    return render(
        Path(__file__).with_name("page.html.j2"),
        {"spelled": spelled},
        run=run,
        config=config,
        steps=steps,
        curve=Curve.of([step.scalars["loss"] for step in steps]) if steps else None,
        seconds=sum(step.seconds for step in steps),
        groups=[(prompt, _pictures(record, prompt)) for prompt in record.prompts],
        artifact=artifact,
        redo=redo,
        size=(WIDTH, HEIGHT),
    )


def command(
    method: str,
    model: str,
    settings: Mapping[str, Any],
    out: str | Path,
    samples: Sequence[str],
    every: int | None,
) -> str:
    """The command line that makes the same training."""
    words = ["safelight", "train", method, "--model", model]
    for name, value in settings.items():
        words += ["--set", f"{name}={spelled(value)}"]
    for prompt in samples:
        words += ["--samples", prompt]
    words += ["--every", str(every)] if every else []
    return shlex.join([*words, "--out", str(out)])


def _pictures(record: Record, prompt: str) -> dict[int, list[str]]:
    """By step, in order, the pictures of a prompt as data URIs; empty for one that failed."""
    found: dict[int, list[str]] = {}
    for sample in sorted(record.store.samples(record.run.id), key=lambda sample: (sample.block, sample.k)):
        if sample.prompt_hash == digest(Prompt(prompt)):
            image = record.store.images.get(sample.image_hash) if sample.image_hash else None
            found.setdefault(sample.block, []).append("" if image is None else uri(Image.fromarray(image)))
    return found
