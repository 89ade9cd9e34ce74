"""One block of a run: prompts through the methods to pictures on disk, with all decisions on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from safelight.core.nouns import Decision, Outcome, Prompt, Status
from safelight.core.records import Sample, digest
from safelight.diffusion.generator import Generator
from safelight.diffusion.sampling import Picture, Sampling
from safelight.guarded.decide import on_images, on_prompt, stopped
from safelight.guarded.studio import Studio
from safelight.judges import blank
from safelight.policies import Bound
from safelight.store.images import Images
from safelight.tasks import Row


@dataclass(frozen=True)
class Ask:
    """A picture that is wanted: sample k of a task's row, on the noise of `seed`."""

    sample: str
    row: Row
    k: int
    seed: int


@dataclass
class Made:
    """A picture on its way, with the decisions on it so far."""

    ask: Ask
    prompt: Prompt  # what the methods made of the row's own
    decisions: list[Decision]
    image: np.ndarray | None = None
    ms: float | None = None

    @property
    def lost(self) -> bool:
        """Whether the hard stop holds, or a method broke: then there is no picture of this configuration."""
        broken = any(d.status == "failed" and d.hook != "check" for d in self.decisions)
        return broken or stopped(self.decisions)

    @property
    def status(self) -> Status:
        if stopped(self.decisions):
            return "skipped"
        return "failed" if self.lost or self.image is None or blank(self.image) else "ok"


def draw(asks: Sequence[Ask], generator: Generator, policy: Bound, sampling: Sampling) -> list[Made]:
    """The pictures of a block under a policy's methods. Its checks decide, and withhold nothing."""
    block = [Made(ask, *on_prompt(Prompt(ask.row.prompt), policy)) for ask in asks]
    going = [made for made in block if not made.lost]
    prompts, seeds = [made.prompt for made in going], [made.ask.seed for made in going]
    pictures = generator.run(prompts, seeds, policy.methods, sampling)
    studio = Studio(generator, sampling, policy)
    finished = on_images(list(zip(prompts, seeds, pictures, strict=True)), policy, generator.name, studio)
    for made, picture, (image, said) in zip(going, pictures, finished, strict=True):
        made.image, made.ms = image, picture.ms
        made.decisions += [*_reports(picture), *said]
    return block


def rows(block: Sequence[Made], run: str, task: str, number: int, images: Images) -> list[Sample | Decision]:
    """The records of a block; its pictures are on disk when this returns."""
    records: list[Sample | Decision] = []
    for made in block:
        stored = None if made.image is None else images.put(made.image)
        records.append(
            Sample(
                made.ask.sample, run, task, made.ask.row.index, made.ask.k, made.ask.seed, number,
                digest(Prompt(made.ask.row.prompt)), stored, made.status, made.ms,
            )
        )  # fmt: skip
        records += [replace(decision, sample=made.ask.sample) for decision in made.decisions]
    return records


def _reports(picture: Picture) -> list[Decision]:
    """What each method says it did to the picture: on or not, on which steps, how much, and why not."""
    return [
        Decision("", "image", "term", method, Outcome.ALLOW, str(said.get("why", "")), evidence=said)
        for method, said in picture.reports.items()
    ]
