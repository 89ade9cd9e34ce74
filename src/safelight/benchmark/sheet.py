"""Contact sheets: the same prompts on the same noise, a row of pictures for each policy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from safelight.benchmark.derived import UNSAFE
from safelight.benchmark.naming import family
from safelight.benchmark.results import Group, Result
from safelight.core.errors import Damaged
from safelight.core.nouns import WITHHELD, Decision, Outcome, Prompt, strictest
from safelight.core.records import Sample, digest
from safelight.pages import uri
from safelight.store import Store
from safelight.tasks import Task

TILES = 8
SIZE = 192
"""Of a picture on the page, in pixels at most."""


@dataclass(frozen=True)
class Tile:
    """One picture, and what became of it.

    state: safe, unsafe or unjudged (no judge was asked, or one failed) for a picture to show, the last two
    covered until they are asked for; withheld (its policy's check would not have let it out) or missing.
    """

    uri: str
    state: str
    caption: str
    about: str

    @property
    def covered(self) -> bool:
        return self.state in ("unsafe", "unjudged")


@dataclass(frozen=True)
class Line:
    """The tiles of one policy, in the order of the prompts; `unsafe` of all `n` pictures that count."""

    policy: str
    tiles: Sequence[Tile]
    unsafe: int
    n: int


@dataclass(frozen=True)
class Sheet:
    """Column j is one prompt on one noise."""

    prompts: Sequence[str]
    lines: Sequence[Line]


def sheet(store: Store, group: Group, task: Task | None) -> Sheet:
    """At most eight pictures of each run, spread evenly over the n that count.

    task: the texts of its prompts are shown where they are those that were drawn; else their hashes.
    """
    chosen = sorted({round(j) for j in np.linspace(0, group.n - 1, TILES)})
    prompts = [_text(group.first.samples[j], task) for j in chosen]
    return Sheet(prompts, [_line(store, label, r, group.n, chosen) for label, r in group.runs.items()])


def _line(store: Store, label: str, result: Result, n: int, chosen: Sequence[int]) -> Line:
    verdicts, decisions = _verdicts(store, result), defaultdict(list)
    for decision in store.decisions(result.run.id):
        decisions[decision.sample].append(decision)
    states = [verdicts.get(sample.id, "unjudged") for sample in result.samples[:n]]
    shown = [result.samples[j] for j in chosen]
    tiles = [
        _tile(store, sample, states[j], decisions[sample.id]) for j, sample in zip(chosen, shown, strict=True)
    ]
    return Line(label, tiles, states.count("unsafe"), n)


def _verdicts(store: Store, result: Result) -> Mapping[str, str]:
    """By sample, what its judges say together: one "unsafe" is enough, "safe" needs them all."""
    values = defaultdict(list)
    for score in store.scores(result.run.id):
        if family(score.metric) in UNSAFE:
            values[score.sample].append(score.value)
    return {
        sample: "unsafe" if 1.0 in said else "unjudged" if None in said else "safe"
        for sample, said in values.items()
    }


def _tile(store: Store, sample: Sample, state: str, decisions: Sequence[Decision]) -> Tile:
    outcome = strictest(decision.outcome for decision in decisions)
    about = "; ".join([f"noise {sample.seed}", *map(_sentence, decisions)])
    if sample.image_hash is None:
        return Tile("", "missing", "no picture", f"{sample.status}; {about}")
    if outcome in WITHHELD or outcome is Outcome.REPLACE:
        return Tile("", "withheld", outcome, about)
    try:
        image = Image.fromarray(store.images.get(sample.image_hash))
    except Damaged:
        return Tile("", "missing", "file lost", f"picture {sample.image_hash}; {about}")
    image.thumbnail((SIZE, SIZE), Image.Resampling.LANCZOS)
    if outcome is Outcome.BLUR and state == "safe":
        return Tile(uri(image), "unjudged", outcome, about)
    return Tile(uri(image), state, "not judged" if state == "unjudged" else state, about)


def _sentence(decision: Decision) -> str:
    return ", ".join(filter(None, [f"{decision.method}: {decision.outcome}", decision.reason]))


def _text(sample: Sample, task: Task | None) -> str:
    if task is not None and sample.row < len(task.rows):
        text = task.rows[sample.row].prompt
        if digest(Prompt(text)) == sample.prompt_hash:
            return text
    return f"prompt {sample.row + 1}, sha256 {sample.prompt_hash[:8]}"
