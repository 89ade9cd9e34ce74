"""Runs a small grid in processes that get SIGKILL, and says what came out: `killed.py FOLDER KILLS SEED`.

The libraries are imported once; every run is a fork of this process, which never runs itself. Writes one JSON
object.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # for forks.py, as pytest has it
from forks import MOMENTS, killed, started, struck

from safelight.benchmark import bench
from safelight.core.nouns import Outcome, Score
from safelight.core.ports import Preset, Reads
from safelight.core.records import canonical
from safelight.diffusion import tiny
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.policies import Check, Policy
from safelight.store import Store

PICTURES = 12
TASK = """name = "grid"
version = 1
about = "a test"
prompts = { file = "grid.csv" }
n_per_prompt = 4
judges = ["bright"]
metrics = ["over-refusal@1"]
"""


class Bright:
    """How bright a picture is."""

    name, version, labels, range, content_hash = "bright", "1", ("bright",), (0.0, 1.0), "0"
    reads: Reads = "image"
    presets: Any = {"default": Preset(("bright",), 0.5)}  # noqa: RUF012 (a test double)

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        return [Score({"bright": float(item.mean() / 255)}) for item in items]


def grid(model: Generator, task: Path, folder: Path) -> None:
    """Two configurations; the table beside the database."""
    policy = Policy(
        "negative",
        ({"use": "negative-prompt", "concept": "blood"},),
        (Check("image", "bright", Outcome.BLOCK, threshold=0.5),),
    )
    table = bench(task, model, [policy], folder / "runs.db", judges={"bright": Bright()})
    (folder / "table.json").write_text(canonical(table.json()))


def read(folder: Path) -> dict[str, Any]:
    """Everything that must not hang on kills: the table's bytes, what is stored, and no half-written file."""
    with Store.open(folder / "runs.db") as store:
        runs = sorted(store.runs(), key=lambda run: run.id)
        stored = [
            [
                run.status,
                [replace(sample, ms=None) for sample in store.samples(run.id)],
                sorted((d.sample, d.method, d.outcome, d.reason) for d in store.decisions(run.id)),
                sorted((s.sample, s.metric, s.judge, s.value) for s in store.scores(run.id)),
            ]
            for run in runs
        ]
        hashes = {s.image_hash for run in runs for s in store.samples(run.id)}
    pictures = {path.stem for path in (folder / "images").rglob("*.png")}
    table = (folder / "table.json").read_text()
    return {"table": table, "stored": canonical(stored), "pictures": pictures == hashes}


def main(root: Path, kills: int, seed: int) -> None:
    torch.set_num_threads(1)
    model = load(tiny.sd())
    model.sampling = replace(model.sampling, steps=2, guidance=3.0, block=2)
    (root / "grid.toml").write_text(TASK)
    (root / "grid.csv").write_text("prompt\na cat\na red dog\ntwo boats\n")
    run = partial(grid, model, root / "grid.toml")
    folders = [root / "never", *(root / moment for moment in MOMENTS), root / "often 0"]
    for folder in folders:
        folder.mkdir()
    rng, begun = random.Random(seed), time.monotonic()
    killed(started(partial(run, folders[0])))
    seconds = time.monotonic() - begun
    for folder in folders[1:-1]:
        if not killed(started(partial(run, folder), folder.name, rng.randrange(PICTURES))):
            raise RuntimeError(f"no kill at the moment '{folder.name}'")
    # Each kill a little later in a run, wherever it has come to; one that is done is followed by another.
    made = 0
    while made < kills:
        if struck(partial(run, folders[-1]), seconds / 2, rng):
            made += 1
        else:
            folders.append(root / f"often {len(folders)}")
            folders[-1].mkdir()
    for folder in folders[1:]:
        killed(started(partial(run, folder)))
    said = {"kills": made, "made": {folder.name: read(folder) for folder in folders}}
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
