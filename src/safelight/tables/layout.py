"""A table's file: its tasks with the columns that are printed, and its rows."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from safelight.core.errors import BadInput, Refused
from safelight.core.registry import get, names
from safelight.core.valid import one_of
from safelight.tasks import Task
from safelight.tasks.part import Part, sentences

REFUSED = "refused@1"
"""The figure of whole runs behind the column `refused`."""


class Row(Part):
    """What is compared: methods, a training whose artifact is applied, or a policy with its checks.

    policy: a name or a TOML file. train: a method of `safelight train`, with `settings` and those of one
    schedule: `fast`, or `published` for the one of its authors. A method without a schedule has neither.
    """

    name: str = Field(pattern=r"^[\w .()+-]+$")  # it is part of a file's name
    method: tuple[dict[str, Any], ...] = Field((), strict=False)
    policy: str | None = None
    train: str | None = None
    settings: dict[str, Any] = Field({})
    fast: dict[str, Any] = Field({})
    published: dict[str, Any] = Field({})

    @model_validator(mode="after")
    def one_kind(self) -> Self:
        if [bool(self.method), self.train is not None, self.policy is not None].count(True) != 1:
            raise ValueError('give it one of the three, method = [...], train = "..." or policy = "..."')
        if self.train is None and (self.settings or self.fast or self.published):
            raise ValueError('settings and schedules belong to a training: train = "..."')
        return self

    def training(self, published: bool) -> dict[str, Any]:
        """The settings of `safelight.train` under a schedule."""
        chosen = self.settings | (self.published if published else self.fast)
        return {key: tuple(value) if isinstance(value, list) else value for key, value in chosen.items()}


class Layout(Part):
    """A table. Change anything and the version goes up.

    n: pictures of each task in each row, by default the whole task. tasks: by name, the columns to print, as
    `safelight bench` calls them, and `refused`; all that a task measures stands in the JSON. row: in their
    order, after the unguarded model; before them those of the table `rows_from`.
    """

    name: str
    version: int = Field(ge=1)
    about: str
    n: int | None = Field(None, ge=1)
    tasks: dict[str, Annotated[tuple[str, ...], Field(strict=False)]] = Field(min_length=1)
    rows_from: str | None = None
    row: tuple[Row, ...] = Field(min_length=1, strict=False)

    @classmethod
    def load(cls, table: str | Path) -> Self:
        """The table of this name, or in this file.

        Raises:
            UnknownName, BadInput: there is none, or it cannot be read.
            Refused: with every problem of the file, but those of its methods' settings.
        """
        layout = cls._read(table)
        if layout.rows_from is not None:
            lent = cls._read(layout.rows_from)
            if lent.rows_from is not None:
                raise BadInput(f"table {lent.name} takes rows from {lent.rows_from} itself: name that one")
            layout = layout.model_copy(update={"row": (*lent.row, *layout.row)})
        if problems := layout._problems():
            raise Refused([f"table {layout.name}: {problem}" for problem in problems])
        return layout

    @classmethod
    def _read(cls, table: str | Path) -> Self:
        """What stands in one file."""
        path = Path(table).expanduser() if str(table).endswith(".toml") else get("tables", str(table))
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise BadInput(f"the table {path} cannot be read: {error}") from error
        try:
            return cls(**content)
        except ValidationError as error:
            raise Refused(sentences(f"table {path.name}", error, cls, Row)) from error

    @property
    def id(self) -> str:
        """name@version."""
        return f"{self.name}@{self.version}"

    def loaded(self, prompts: Mapping[str, str | Path] | None = None) -> list[Task]:
        """The tasks, each with what its columns need: the share of refused requests is read off decisions
        that every run stores, so a table may print it for any task.

        prompts: by task, the file of each that draws published prompts, or the hub's data set.

        Raises UnknownName for a file of no task here, Refused where one is missing, BadInput for a bad one.
        """
        given = prompts or {}
        for name in given:
            one_of(f"task of {self.name}", name, self.tasks)
        tasks = [Task.load(name, given.get(name)) for name in self.tasks]
        if lacking := [task.name for task in tasks if task.prompts.published and task.given is None]:
            needs = "draws published prompts and needs their file"
            raise Refused([f"task {name} {needs}: --prompts {name}=FILE" for name in lacking])
        return [
            task.model_copy(update={"metrics": tuple(dict.fromkeys((*task.metrics, REFUSED)))})
            if "refused" in columns
            else task
            for task, columns in zip(tasks, self.tasks.values(), strict=True)
        ]

    def _problems(self) -> list[str]:
        called = ["base", *(row.name for row in self.row)]
        twice = sorted({name for name in called if called.count(name) > 1})
        found = [f"two rows are called '{name}'" for name in twice]
        for name in self.tasks:
            try:
                Task.load(name)
            except (BadInput, Refused) as error:
                found.append(str(error))
        return found


def is_table(name: str) -> bool:
    """Whether this name or TOML file is a table's, and not a task's."""
    if not name.endswith(".toml"):
        return name in names("tables")
    try:
        return "row" in tomllib.loads(Path(name).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False  # then the task says what is wrong with the file
