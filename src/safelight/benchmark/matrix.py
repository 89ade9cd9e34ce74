"""Methods x model families, alone and in pairs: what runs, and what is refused with which sentence.

Every cell is tried on a tiny model with random weights, so the whole takes a minute or two. It shows that
things work together, not how well. Methods of the prompt and image stages go through a whole request.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from safelight.core.compose import compose
from safelight.core.errors import Refused
from safelight.core.method import hooks, needs
from safelight.core.nouns import Cap, Score
from safelight.core.ports import Preset, Reads
from safelight.core.registry import get, load_all
from safelight.diffusion import patch, tiny, vectors
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.diffusion.sampling import Picture, Sampling
from safelight.guarded import generate
from safelight.policies import Policy
from safelight.store.artifacts import Artifact, Manifest
from safelight.training.uce import UCE

STEPS = 2
GUIDANCE = 5.0
PROMPT = "a photo of a red car"
DISGUISED = "a photo of a red \uff43ar"
"""The same with a full-width letter, so that the methods that read prompts have something to undo."""
PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "sld": {"preset": "max"},
    "sega": {"preset": "max"},
    "judge-localise-edit": {"judge": "first", "edits": ("inpaint", "blur"), "masks": 64},
}
"""Those with which a method acts within so few steps, or by which it finds its judge here."""
CONCEPTS = ("nudity", "blood")
UNGUIDED = "flux, guidance 1"
"""A column of its own: how Flux samples by default, without the second prediction that guidance needs."""


@dataclass(frozen=True)
class Cell:
    """One method, or two in a policy's order, on one family: pictures, or the problems of the refusal."""

    methods: tuple[str, ...]
    family: str
    problems: tuple[str, ...] = ()

    @property
    def ran(self) -> bool:
        return not self.problems


@dataclass(frozen=True)
class Column:
    """A family's model, how it samples, and its picture without any method."""

    family: str
    model: Generator
    sampling: Sampling
    plain: Picture

    @classmethod
    def of(cls, family: str, model: Generator, guidance: float) -> Column:
        sampling = replace(model.sampling, steps=STEPS, guidance=guidance)
        [plain] = model.run([PROMPT], [0], (), sampling)
        return cls(family, model, sampling, plain)

    def cell(self, names: tuple[str, ...], entries: Sequence[Mapping[str, object]]) -> Cell:
        staged = {*names} & {*stages()}
        try:
            (self._request if staged else self._run)(" + ".join(names), entries, staged)
        except Refused as refused:
            problems = [
                problem.replace(PACKAGE, "") for problem in refused.problems
            ]  # where it is installed is no news
            return Cell(names, self.family, tuple(problems))
        return Cell(names, self.family)

    def _run(self, names: str, entries: Sequence[Mapping[str, object]], staged: set[str]) -> None:
        methods = compose(entries, self.model)
        [picture] = self.model.run([PROMPT], [0], methods, self.sampling)
        where = f"{names} on {self.family}"
        assert picture.status == "ok", f"{where}: {picture.detail}"
        assert not torch.equal(picture.latent, self.plain.latent), f"{where} did nothing"

    def _request(self, names: str, entries: Sequence[Mapping[str, object]], staged: set[str]) -> None:
        [picture] = generate(
            DISGUISED, self.model, Policy("matrix", tuple(entries)),
            steps=self.sampling.steps, guidance=self.sampling.guidance, judges={"first": First()},
        ).pictures  # fmt: skip
        where = f"{names} on {self.family}"
        assert picture.image is not None, f"{where}: {picture.decisions[-1].reason}"
        said = {decision.method for decision in picture.decisions if decision.status == "ok"}
        assert staged <= said, f"{where}: nothing was decided by {', '.join(sorted(staged - said))}"


class First:
    """A judge by whose lights the first picture it sees is bad: the score of each is the share of the pixels
    in the upper left quarter that are as they were there."""

    name, version, labels, range, content_hash = "first", "1", ("bad",), (0.0, 1.0), "0"
    reads: Reads = "image"
    any_model = True

    def __init__(self):
        self.presets: Mapping[str, Preset] = {"default": Preset(("bad",), 0.5)}
        self.first: Any = None

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        height, width = (size // 2 for size in items[0].shape[:2])
        quarters = [item[:height, :width] for item in items]
        self.first = quarters[0].copy() if self.first is None else self.first
        return [Score({"bad": float((quarter == self.first).all(-1).mean())}) for quarter in quarters]


def matrix(entries: Mapping[str, Mapping[str, object]] | None = None) -> list[Cell]:
    """Every method alone, then every pair, on every family.

    entries: by method, the table that a policy would have for it; by default `SETTINGS` for every one.
    Methods that apply a file get one that is made of the family's own tiny model.
    Raises AssertionError where a picture is not finite or is withheld, or where a method changes or decides
    nothing: that is neither pictures nor a refusal.
    """
    entries = entries or {name: {"use": name, **SETTINGS.get(name, {})} for name in steering() + stages()}
    chosen = [names for size in (1, 2) for names in combinations(entries, size)]
    models = {name: load(make()) for name, make in tiny.FAMILIES.items()}
    columns = [Column.of(name, model, GUIDANCE) for name, model in models.items()]
    columns.append(Column.of(UNGUIDED, models["flux"], 1.0))
    with TemporaryDirectory() as folder:
        files = {name: _files(model, Path(folder) / name) for name, model in models.items()}
        return [
            column.cell(
                names,
                _apart([{**files[column.model.family].get(name, {}), **entries[name]} for name in names]),
            )
            for names in chosen
            for column in columns
        ]


def steering() -> list[str]:
    """The methods that reach into a model. Those that only read prompts or pictures change none, even if they
    look at it in `edit`."""
    reach = {name: needs(method) - {Cap.PROMPT, Cap.IMAGE} for name, method in load_all("methods").items()}
    looks = {name for name, method in load_all("methods").items() if set(hooks(method)) == {"edit", "prompt"}}
    return [name for name, caps in reach.items() if caps and name not in looks]


def stages() -> list[str]:
    """The methods that read prompts or pictures, and decide."""
    return [name for name in load_all("methods") if name not in steering()]


def _files(model: Generator, folder: Path) -> dict[str, Mapping[str, object]]:
    """By method, the setting `file` with a file for this model: one tensor halved, a UCE map where the family
    can have one, and vectors of nothing in particular."""
    folder.mkdir()
    name, tensor = next(iter(patch.tensors(model.backbone).items()))
    manifest = Manifest.of({name: tensor}, kind="full", family=model.family, method="half", config={})
    made = {"weights": Artifact(manifest, {name: tensor / 2})}
    if Cap.CROSS_ATTN in model.caps:
        made["uce-map"] = UCE(("a cat",), ("blood",)).map(model.backbone)
    for method, artifact in made.items():
        artifact.save(folder / method)
    shape = model.backbone.latent_shape(model.sampling.height, model.sampling.width)
    some = torch.randn(STEPS, *shape, generator=torch.Generator().manual_seed(0))
    vectors.save(folder / "guidance-vectors", some, [])
    return {path.name: {"file": str(path)} for path in folder.iterdir()}


def _apart(entries: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """Methods with a concept get one each: two that name the same text may cancel each other."""
    classes = [get("methods", str(entry["use"])) for entry in entries]
    return [
        {"concept": concept, **entry} if "concept" in {field.name for field in fields(cls)} else entry
        for entry, cls, concept in zip(entries, classes, CONCEPTS, strict=False)
    ]


def markdown(cells: Sequence[Cell]) -> str:
    """A line for every method and pair, a column for every family; refusals are numbered and said beneath."""
    families = list(dict.fromkeys(cell.family for cell in cells))
    at = {(cell.methods, cell.family): cell for cell in cells}
    notes: dict[str, int] = {}
    for cell in cells:
        for problem in cell.problems:
            notes.setdefault(problem, len(notes) + 1)
    lines = [["methods", *families], ["---"] * (len(families) + 1)]
    for methods in dict.fromkeys(cell.methods for cell in cells):
        row = [at[methods, family] for family in families]
        lines.append([" + ".join(methods), *(_text(cell, notes) for cell in row)])
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return table + "\n\n" + "\n".join(f"{k}. {problem}" for problem, k in notes.items()) + "\n"


def _text(cell: Cell, notes: Mapping[str, int]) -> str:
    if cell.ran:
        return "images"
    return "refused: " + ", ".join(str(notes[problem]) for problem in cell.problems)
