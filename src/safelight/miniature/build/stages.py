"""The recipe as a line of stages. Each has a folder, a measure, a gate, and a mark that says it is done."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from safelight.core.concepts import LISTS
from safelight.core.errors import SafelightError, UnknownName
from safelight.diffusion.load import load
from safelight.miniature.build import card as cards
from safelight.miniature.build import (
    card_gate,
    clip,
    data,
    decoder,
    export,
    immorality,
    latents,
    oracles,
    tokenizer,
    unet,
    vae,
)
from safelight.miniature.build.progress import Progress, quiet
from safelight.miniature.build.recipe import CARD_DTYPE, CEILINGS, GATES, THREADS
from safelight.miniature.build.workers import cores


class GateFailed(SafelightError):
    """A stage ended below what it must reach."""


@dataclass(frozen=True)
class Build:
    """One build in one folder."""

    folder: Path
    progress: Progress

    def of(self, stage: str) -> Path:
        return self.folder / stage

    def world(self) -> dict[str, float]:
        return data.draw_world(self.of("world"), self.progress)

    def tokenizer(self) -> dict[str, float]:
        return tokenizer.learn(self.of("tokenizer"), self.of("world"), LISTS.values())

    def vae(self) -> dict[str, float]:
        return vae.train(self.of("vae"), self.of("world"), self.progress)

    def latents(self) -> dict[str, float]:
        return latents.encode(self.of("latents"), self.of("world"), self.of("vae") / "net", self.progress)

    def clip(self) -> dict[str, float]:
        return clip.train(self.of("clip"), self.of("world"), self.of("tokenizer") / "net", self.progress)

    def immorality(self) -> dict[str, float]:
        net, words = self.of("clip") / "net", self.of("tokenizer") / "net"
        return immorality.train(self.of("immorality"), net, words)

    def decoder(self) -> dict[str, float]:
        world, posteriors, net = self.of("world"), self.of("latents"), self.of("vae") / "net"
        return decoder.train(self.of("decoder"), world, posteriors, net, self.progress)

    def oracle(self) -> dict[str, float]:
        world, posteriors, net = self.of("world"), self.of("latents"), self.of("decoder") / "net"
        return oracles.train(self.of("oracle"), world, posteriors, net, self.progress)

    def unet(self) -> dict[str, float]:
        words, net = self.of("tokenizer") / "net", self.of("clip") / "net"
        return unet.train(self.of("unet"), self.of("world"), words, net, self.of("latents"), self.progress)

    def export(self) -> dict[str, float]:
        return export.export(
            self.folder, self.of("export") / "miniature", [x for x in NEEDS if x not in ("export", "card")]
        )

    def card(self) -> dict[str, float]:
        """Measures what was exported, and lays the card into its folder, good or not."""
        model = self.of("export") / "miniature"
        measured = cards.card(
            load(model, dtype=CARD_DTYPE),
            processes=cores(),
            progress=lambda done, total: self.progress("card", done, total, ""),
        )
        cards.write(measured, model / cards.FILE)
        self.of("card").mkdir(exist_ok=True)
        return card_gate.measures(measured)


NEEDS: dict[str, tuple[str, ...]] = {
    "world": (),
    "tokenizer": ("world",),
    "vae": ("world",),
    "latents": ("vae",),
    "clip": ("tokenizer",),
    "immorality": ("clip",),
    "decoder": ("latents",),
    "oracle": ("decoder",),
    "unet": ("clip", "latents"),
    "export": ("immorality", "oracle", "unet"),
    "card": ("export",),
}


def build(folder: Path, stage: str | None = None, resume: bool = True, progress: Progress = quiet) -> None:
    """Run `stage`, or every stage that is not done, in `folder`.

    `resume` goes on from finished stages and checkpoints; without it the stages start afresh. A stage made
    again does not remake those that follow from it. Raises UnknownName, GateFailed (everything made so far
    stays), and SafelightError where an earlier stage is missing.
    """
    if stage is not None and stage not in NEEDS:
        raise UnknownName("stage", stage, list(NEEDS))
    torch.set_num_threads(THREADS)
    here = Build(Path(folder), progress)
    for name in NEEDS if stage is None else (stage,):
        if not resume:
            shutil.rmtree(here.of(name), ignore_errors=True)
        if not done(here.of(name)):
            run(here, name)


def done(folder: Path) -> bool:
    return (folder / "done.json").exists()


def run(here: Build, name: str) -> None:
    missing = [other for other in NEEDS[name] if not done(here.of(other))]
    if missing:
        raise SafelightError(
            f"stage {name} needs {', '.join(missing)} first: run the build without naming a stage"
        )
    started = time.monotonic()
    measures = getattr(here, name)()
    row = {"stage": name, "seconds": round(time.monotonic() - started, 1)} | measures
    if missed := shortfalls(name, measures):
        raise GateFailed(f"{name}: {'; '.join(missed)}. Nothing is lost: {cure(here, name)}")
    write_json(here.of(name) / "done.json", row)
    here.progress(name, 1, 1, json.dumps(row))


def shortfalls(name: str, measures: Mapping[str, float]) -> list[str]:
    """What of a stage's measures does not pass its gate; NaN passes none."""
    low = [
        f"{key} is {measures[key]:.4g}, needs {least:.4g}"
        for key, least in GATES.get(name, {}).items()
        if not measures[key] >= least
    ]
    high = [
        f"{key} is {measures[key]:.4g}, may be {most:.4g}"
        for key, most in CEILINGS.get(name, {}).items()
        if not measures[key] <= most
    ]
    return low + high


def cure(here: Build, name: str) -> str:
    """How to go on after a failed gate."""
    if name == "card":
        marks = " and ".join(str(here.of(stage) / "done.json") for stage in ("unet", "export"))
        return f"raise UNET's steps in build/recipe.py, delete {marks}, and build again."
    return f"raise its steps in build/recipe.py and build again, it goes on from {here.of(name)}."


def write_json(path: Path, value: object) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, path)
