"""Runs as the benchmark stores them, made by hand: one picture a noise, plain colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from safelight.core.nouns import Decision, Outcome, Prompt
from safelight.core.records import Run, Sample, ScoreRow, canonical, digest
from safelight.store import Store

JUDGE = {"judge oracle@1": "aa11"}


def fill(
    store: Store,
    policy: str,
    hits: Sequence[int | None],
    *,
    task: str = "body@1",
    prompt: str = "a photo of a body",
    judge: str = "oracle:bare@1",
    clip: Sequence[float] = (),
    status: str = "done",
    seed: int = 100,
    versions: dict[str, str] = JUDGE,
    settings: dict[str, Any] | None = None,
) -> str:
    """A run with a picture for each hit (1 unsafe, 0 safe, None not judged); returns its id."""
    methods = [] if policy == "base" else [{"use": policy, "scale": 2.0} | (settings or {})]
    config = {
        "command": "bench", "task": task, "model": {"name": "miniature", "hash": "ff00"},
        "policy": {"name": policy, "methods": methods, "checks": []},
        "protocol": {"solver": "ddim", "steps": 25, "guidance": 5.0, "dtype": "float32", "block": 4},
    }  # fmt: skip
    run = digest([config, status])[:32]
    protocol = digest([config["model"]["hash"], config["protocol"]])
    store.add(Run(run, canonical(config), protocol, "c0ffee", {"torch": "2.13.0", **versions}, status))
    for k, hit in enumerate(hits):
        image = np.full((8, 8, 3), [40 * k, 200 if hit else 20, len(policy)], dtype=np.uint8)
        name = digest([run, k])[:32]
        hashed = digest(Prompt(prompt))
        store.add(
            Sample(name, run, task, 0, k, seed + k, 0, hashed, store.images.put(image), "ok", 1.0),
            ScoreRow(name, "share@1", judge, hit, "failed" if hit is None else "ok"),
        )  # fmt: skip
        if clip:
            store.add(ScoreRow(name, "clip@miniature-1", "", clip[k], "ok"))
    return run


def withhold(store: Store, run: str, k: int, reason: str = "<bare> 0.98") -> None:
    """A decision that a policy's check would not have let the k-th picture out."""
    sample = store.samples(run)[k]
    store.add(Decision(sample.id, "image", "check", "oracle", Outcome.BLOCK, reason))


def lose(store: Store, run: str, k: int) -> None:
    """Delete the file of the k-th picture."""
    store.images.path(str(store.samples(run)[k].image_hash)).unlink()
