"""The record of one training: its run, its steps, the pictures on the way, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from safelight.benchmark.protocol import run_of
from safelight.core.errors import BadInput
from safelight.core.method import Method
from safelight.core.nouns import Prompt
from safelight.core.records import Artifact, Run, Sample, StepRow, digest, noise_seed, sample_id
from safelight.diffusion.generator import Generator
from safelight.store import Store
from safelight.store import artifacts as files
from safelight.training.fit import Row, differences
from safelight.training.processes import count

NOISES = 4
"""Pictures of each sample prompt, on noise that stays the same."""


def run_row(method: str, generator: Generator, settings: Mapping[str, Any], plan: Mapping[str, Any]) -> Run:
    """The run of a training. Its id is that of what was asked for; device, threads and processes are told
    beside it."""
    asked = {
        "command": "train",
        "method": method,
        "model": {"name": generator.name, "hash": generator.content_hash},
        "settings": settings,
        "plan": plan,
    }
    where = {
        "device": generator.backbone.device.type,
        "threads": torch.get_num_threads(),
        "processes": count(),
    }
    row = run_of(asked | {"protocol": where | generator.backbone.inputs}, {})
    return replace(row, id=digest(asked)[:32])


@dataclass
class Record:
    """A training's run in a store. `prompts` are drawn at each of `moments`: before, on the way, after."""

    store: Store
    run: Run
    generator: Generator
    prompts: Sequence[str]
    rewound: bool = False

    def begin(self) -> None:
        """Raises BadInput if the database is of another training."""
        for known in self.store.runs():
            if known.id != self.run.id:
                there, here = json.loads(known.config_json), json.loads(self.run.config_json)
                changed = "; ".join(differences(there, here))
                raise BadInput(f"{self.store.engine.url.database} is of another training ({changed}): "
                               "take another --out, or delete that folder")  # fmt: skip
        if self.store.runs():
            self.store.finish(self.run.id, "running")
        else:
            self.store.add(self.run)

    def step(self, row: Row) -> None:
        """One update's row. The first one says how far the checkpoint goes: what was told after it goes."""
        if not self.rewound:
            self.store.rewind(self.run.id, row.step)
            self.rewound = True
        self.store.add(StepRow(self.run.id, row.step, row.values, row.seconds))

    def draw(
        self,
        step: int,
        methods: Sequence[Method] = (),
        shown: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """The pictures of step `step`, under `methods`, or as the model is inside `shown`."""
        known = {sample.id for sample in self.store.samples(self.run.id)}
        for row, prompt in enumerate(self.prompts):
            ids = [sample_id([self.run.id, prompt], "samples", step, k) for k in range(NOISES)]
            if ids[0] in known:
                continue
            seeds = [noise_seed("samples", 0, k) for k in range(NOISES)]
            with shown():
                made = self.generator.run([prompt] * NOISES, seeds, methods)
            hashes = [None if p.image is None else self.store.images.put(p.image) for p in made]
            about = digest(Prompt(prompt))
            self.store.add(
                *(
                    Sample(i, self.run.id, "samples", row, k, seeds[k], step, about, image, p.status, p.ms)
                    for k, (i, image, p) in enumerate(zip(ids, hashes, made, strict=True))
                )
            )

    def end(self, artifact: files.Artifact, path: Path) -> None:
        """The run is done, and this is its file."""
        made = Artifact(
            artifact.content[:32], artifact.content, path.name, digest(artifact.manifest.base), self.run.id
        )
        if made.id not in {known.id for known in self.store.artifacts()}:
            self.store.add(made)
        self.store.finish(self.run.id, "done")
