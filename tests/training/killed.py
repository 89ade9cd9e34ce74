"""Trains a tiny model in processes that get SIGKILL, and says what came out: `killed.py FOLDER KILLS SEED`.

The libraries are imported once; every training is a fork of this process, which never trains itself. Writes
one JSON object.
"""

from __future__ import annotations

import json
import random
import sys
import time
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # for forks.py, as pytest has it
from forks import MOMENTS, killed, started, struck

from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.store import artifacts
from safelight.training.fit import FILE, Plan, fit
from safelight.training.sdd import SDD

PLAN = Plan(steps=8, lr=1e-3, weight_decay=1e-4, clip=1.0, seed=7)
ARTIFACT = "artifact.safetensors"


def train(folder: Path) -> None:
    """From the folder's checkpoint or from the start. A checkpoint each step: many kills hit a write."""
    with SDD(backbone(tiny.sd()), ("rain", "fog"), ema=0.9, solver_steps=4) as sdd:
        fit(sdd, PLAN, folder, every=0.0)
        sdd.result(PLAN).save(folder / ARTIFACT)


def at_random(root: Path, kills: int, rng: random.Random, seconds: float) -> tuple[list[Path], int]:
    """Trainings that were killed at `kills` random moments in all, each started again until it was done, and
    how many kills came after a first checkpoint. seconds: how long one takes."""
    folders, made, resumed = [], 0, 0
    while made < kills:
        folders.append(root / str(len(folders)))
        work = partial(train, folders[-1])
        while made < kills and struck(work, seconds, rng):
            made += 1
            resumed += (folders[-1] / FILE).exists()
        killed(started(work))
    return folders, resumed


def while_writing(root: Path, rng: random.Random) -> list[Path]:
    """One training for each moment of a write, killed there and started again."""
    folders = [root / moment for moment in MOMENTS]
    for folder in folders:
        if not killed(started(partial(train, folder), folder.name, rng.randrange(PLAN.steps))):
            raise RuntimeError(f"no kill at the moment '{folder.name}'")
        if killed(started(partial(train, folder))):
            raise RuntimeError("a training was killed that nobody killed")
    return folders


def main(root: Path, kills: int, seed: int) -> None:
    torch.set_num_threads(1)
    tiny.sd()  # what the libraries only import when it is used takes longer than a training
    rng, begun = random.Random(seed), time.monotonic()
    killed(started(partial(train, root / "never")))
    folders, resumed = at_random(root, kills, rng, time.monotonic() - begun)
    folders += while_writing(root, rng)
    made = {
        folder.name: {
            "content": artifacts.load(folder / ARTIFACT).content,
            "checkpoint": (folder / FILE).read_bytes() == (root / "never" / FILE).read_bytes(),
            "files": sorted(path.name for path in folder.iterdir()),
        }
        for folder in [root / "never", *folders]
    }
    sys.stdout.write(json.dumps({"made": made, "resumed": resumed}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
