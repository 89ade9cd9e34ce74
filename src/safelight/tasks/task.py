"""A task file, checked as a whole, and its table of prompts."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from safelight.core.errors import BadInput, Refused, UnknownName, nearest
from safelight.core.records import noise_seed
from safelight.core.registry import get
from safelight.miniature.truth import HEADS, said
from safelight.tasks.part import Part, sentences


@dataclass(frozen=True)
class Row:
    """One line of a task's prompts. `seed` is the table's own, None where it has none.

    scene: the drawn scene that the caption was written for (`safelight.miniature.scene.Scene`), None in
    tables. asked: what the prompt asks for, by head of the oracle, the index of its class in `truth.HEADS`.
    """

    index: int
    prompt: str
    seed: int | None = None
    scene: Any = None
    asked: Mapping[str, int] = field(default_factory=dict)


class Prompts(Part):
    """Where the prompts come from.

    file: a CSV beside the task, with its sha256 if it must not change unseen. generator: "miniature:neutral",
    `rows` captions of word combinations that were held out of training, each with its scene. columns: the
    file's own names of the column `prompt`. asked: columns of the file that are called like heads of the
    oracle and say what each prompt asks for, nothing where they are empty.
    """

    file: str | None = None
    generator: Literal["miniature:neutral"] | None = None
    rows: int | None = Field(None, ge=1)
    columns: dict[Literal["prompt"], str] = Field({})
    asked: tuple[str, ...] = Field((), strict=False)
    sha256: str | None = None

    @model_validator(mode="after")
    def one_source(self) -> Self:
        if (self.file is None) == (self.generator is None):
            raise ValueError("give one source, file or generator")
        if (self.generator is None) != (self.rows is None):
            raise ValueError("rows is the number of captions of a generator, which a file has itself")
        if self.generator and self.asked:
            raise ValueError("asked names columns of a file; a generator knows what it asks for")
        if strange := [head for head in self.asked if head not in HEADS]:
            raise ValueError(str(UnknownName("head of the oracle", strange[0], HEADS)))
        return self


class Task(Part):
    """What is drawn and measured. Change anything and the version goes up: figures of two versions do not
    compare.

    Pictures are ordered (k, row): every prompt once, then every prompt a second time, so that the first n
    pictures of a task are the same whatever n. guidance, steps and size default to the model's own.
    """

    name: str
    version: int = Field(ge=1)
    about: str
    prompts: Prompts
    n_per_prompt: int = Field(1, ge=1)
    seed_column: str | None = None
    guidance: float | None = None
    steps: int | None = Field(None, ge=1)
    size: int | None = Field(None, ge=1)
    judges: tuple[str, ...] = Field((), strict=False)
    metrics: tuple[str, ...] = Field((), strict=False)
    reference: Literal["renders"] | None = None
    folder: Path = Field(exclude=True)

    @classmethod
    def load(cls, task: str | Path) -> Task:
        """The task of this name, or in this file.

        Raises:
            UnknownName, BadInput: there is none, or its prompts cannot be read.
            Refused: with every problem of the file.
        """
        path = Path(task).expanduser() if str(task).endswith(".toml") else get("tasks", str(task))
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise BadInput(f"the task {path} cannot be read: {error}") from error
        try:
            return cls(**table, folder=path.parent)
        except ValidationError as error:
            raise Refused(sentences(f"task {path.name}", error, cls, Prompts)) from error

    @property
    def id(self) -> str:
        """name@version, as records spell it."""
        return f"{self.name}@{self.version}"

    @property
    def n(self) -> int:
        """Pictures of the whole task."""
        return (self.prompts.rows or len(self.rows)) * self.n_per_prompt

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Every prompt. Raises BadInput when the file is missing or not the one that was meant."""
        return _from_file(self) if self.prompts.file else _neutral(self.id, self.prompts.rows or 0)

    def sample(self, j: int) -> tuple[Row, int, int]:
        """Row, k and noise seed of the task's j-th picture, j from 0 on, beyond n_per_prompt too."""
        k, index = divmod(j, len(self.rows))
        row = self.rows[index]
        own = row.seed if row.seed is not None and k == 0 else None
        return row, k, noise_seed(self.id, index, k) if own is None else own


def _from_file(task: Task) -> tuple[Row, ...]:
    path = task.folder / str(task.prompts.file)
    try:
        data = path.read_bytes()
        lines = list(csv.DictReader(StringIO(data.decode("utf-8"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"the prompts of task {task.name} cannot be read: {error}") from error
    if task.prompts.sha256 not in (None, found := sha256(data).hexdigest()):
        raise BadInput(f"{path.name} has the sha256 {found}, task {task.name} expects {task.prompts.sha256}")
    column = task.prompts.columns.get("prompt", "prompt")
    for name in filter(None, (column, task.seed_column, *task.prompts.asked)):
        if not lines or name not in lines[0]:
            raise BadInput(f"{path.name} has no column '{name}'. {nearest(name, lines[0] if lines else ())}")
    if empty := [i for i, line in enumerate(lines, 1) if not line[column]]:
        raise BadInput(f"{path.name} has no prompt in row {empty[0]}")
    try:
        seeds = [int(line[task.seed_column]) if task.seed_column else None for line in lines]
    except ValueError as error:
        raise BadInput(f"{path.name}, column '{task.seed_column}': {error}") from error
    asked = [_asked(path.name, i, line, task.prompts.asked) for i, line in enumerate(lines, 1)]
    return tuple(
        Row(i, line[column], seed, asked=truth)
        for i, (line, seed, truth) in enumerate(zip(lines, seeds, asked, strict=True))
    )


def _asked(file: str, i: int, line: Mapping[str, str], heads: Sequence[str]) -> dict[str, int]:
    """What row i of a table says of its prompt."""
    given = {head: line[head] for head in heads if line[head]}
    for head, value in given.items():
        if value not in HEADS[head]:
            raise BadInput(f"{file}, row {i}: {UnknownName(f'{head} of the oracle', value, HEADS[head])}")
    return {head: HEADS[head].index(value) for head, value in given.items()}


def _neutral(task: str, n: int) -> tuple[Row, ...]:
    from safelight.miniature.captions import neutral

    drawn = [neutral(Random(noise_seed(task, i, 0))) for i in range(n)]
    return tuple(
        Row(i, caption, scene=scene, asked=said(scene, caption)) for i, (scene, caption) in enumerate(drawn)
    )
