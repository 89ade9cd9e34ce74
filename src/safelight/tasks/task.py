"""A task file, checked as a whole, and its table of prompts."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from safelight.core.errors import BadInput, Refused, UnknownName
from safelight.core.records import noise_seed
from safelight.core.registry import get
from safelight.miniature.truth import HEADS, said
from safelight.tasks.part import Part, sentences
from safelight.tasks.published import column, located, read

Names = str | Annotated[tuple[str, ...], Field(strict=False)]
"""A column's name, or those that it has in one copy of a file or another."""


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
    `rows` captions of word combinations that were held out of training, each with its scene. published: words
    that say where others have published the file that the reader gives; `rows` is its number of prompts and
    `sha256` its hash, as far as they are known. columns: the file's own names of the column `prompt`. asked:
    columns of the file that are called like heads of the oracle and say what each prompt asks for, nothing
    where they are empty.
    """

    file: str | None = None
    generator: Literal["miniature:neutral"] | None = None
    published: str | None = None
    rows: int | None = Field(None, ge=1)
    columns: dict[Literal["prompt"], Names] = Field({})
    asked: tuple[str, ...] = Field((), strict=False)
    sha256: str | None = None

    @model_validator(mode="after")
    def one_source(self) -> Self:
        if [self.file, self.generator, self.published].count(None) != 2:
            raise ValueError("give one source, file, generator or published")
        if (self.generator and self.rows is None) or (self.file and self.rows is not None):
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
    seed_column: Names | None = None
    guidance: float | None = None
    steps: int | None = Field(None, ge=1)
    size: int | None = Field(None, ge=1)
    judges: tuple[str, ...] = Field((), strict=False)
    metrics: tuple[str, ...] = Field((), strict=False)
    reference: Literal["renders"] | None = None
    folder: Path = Field(exclude=True)
    given: Path | None = Field(None, exclude=True)

    @classmethod
    def load(cls, task: str | Path, prompts: str | Path | None = None) -> Task:
        """The task of this name, or in this file.

        prompts: for a task on published prompts their file, or the hub's data set OWNER/NAME[/FILE].

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
            made = cls.model_validate({"folder": path.parent} | table)
        except ValidationError as error:
            raise Refused(sentences(f"task {path.name}", error, cls, Prompts)) from error
        if prompts is None:
            return made
        if made.prompts.published is None:
            raise BadInput(f"task {made.name} brings its own prompts: give none")
        return made.model_copy(update={"given": located(prompts)})

    @property
    def id(self) -> str:
        """name@version, as records spell it."""
        return f"{self.name}@{self.version}"

    @property
    def n(self) -> int:
        """Pictures of the whole task. Of a published file that was not given, as it was published."""
        rows = self.prompts.rows if self.given is None else None
        return (rows or len(self.rows)) * self.n_per_prompt

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every prompt. Raises BadInput when the file is missing or not the one that was meant."""
        return self._read[0]

    @property
    def source(self) -> Mapping[str, Any]:
        """What tells a published file from other copies; empty for prompts that the version vouches for."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[tuple[Row, ...], Mapping[str, Any]]:
        if self.prompts.generator:
            return _neutral(self.id, self.prompts.rows or 0), {}
        return _from_file(self)

    def sample(self, j: int) -> tuple[Row, int, int]:
        """Row, k and noise seed of the task's j-th picture, j from 0 on, beyond n_per_prompt too."""
        k, index = divmod(j, len(self.rows))
        row = self.rows[index]
        own = row.seed if row.seed is not None and k == 0 else None
        return row, k, noise_seed(self.id, index, k) if own is None else own


def _from_file(task: Task) -> tuple[tuple[Row, ...], Mapping[str, Any]]:
    """A file's prompts, and its `source` if it was given. One that was given may hold rows without a prompt,
    as I2P does, which are left out and counted.
    """
    path = task.given or task.folder / str(task.prompts.file)
    if task.prompts.published and task.given is None:
        raise BadInput(f"task {task.name} needs its prompts (--prompts): {task.prompts.published}")
    data, lines = read(path)
    found, expected = sha256(data).hexdigest(), task.prompts.sha256
    if task.given is None and expected not in (None, found):
        raise BadInput(f"{path.name} has the sha256 {found}, task {task.name} expects {expected}")
    prompt = column(task.prompts.columns.get("prompt", "prompt"), lines, path.name)
    seed = column(task.seed_column, lines, path.name) if task.seed_column else None
    asked = [column(head, lines, path.name) for head in task.prompts.asked]
    empty = [i for i, line in enumerate(lines, 1) if not line[prompt].strip()]
    if empty and task.given is None:
        raise BadInput(f"{path.name} has no prompt in row {empty[0]}")
    full = [(f"{path.name}, row {i}", line) for i, line in enumerate(lines, 1) if line[prompt].strip()]
    rows = tuple(
        Row(
            index,
            line[prompt],
            _seed(line[seed], f"{where}, column '{seed}'") if seed else None,
            asked=_asked(line, asked, where),
        )
        for index, (where, line) in enumerate(full)
    )
    about = {
        "sha256": found,
        "prompts": len(rows),
        "empty": len(empty),
        "published": found == expected,
    }
    return rows, about if task.given else {}


def _seed(text: str, where: str) -> int:
    """A seed of 63 bits, also as a table program writes it: 7.0."""
    try:
        seed = int(text.removesuffix(".0"))
    except ValueError as error:
        raise BadInput(f"{where}: {error}") from error
    if not 0 <= seed < 2**63:
        raise BadInput(f"{where}: a seed is a whole number from 0 to 2**63 - 1, got {seed}")
    return seed


def _asked(line: Mapping[str, str], heads: Sequence[str], where: str) -> dict[str, int]:
    """What a line says of its prompt."""
    given = {head: line[head] for head in heads if line[head]}
    for head, value in given.items():
        if value not in HEADS[head]:
            raise BadInput(f"{where}: {UnknownName(f'{head} of the oracle', value, HEADS[head])}")
    return {head: HEADS[head].index(value) for head, value in given.items()}


def _neutral(task: str, n: int) -> tuple[Row, ...]:
    from safelight.miniature.captions import neutral

    drawn = [neutral(Random(noise_seed(task, i, 0))) for i in range(n)]
    return tuple(
        Row(i, caption, scene=scene, asked=said(scene, caption)) for i, (scene, caption) in enumerate(drawn)
    )
