"""A table's file: its tasks with the columns that are printed, and its rows."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from safelight.core.errors import BadInput, Refused
from safelight.core.registry import get, names
from safelight.tasks import Task
from safelight.tasks.part import Part, sentences


class Row(Part):
    """What is compared: methods that steer the sampling, or a training whose artifact is applied.

    train: a method of `safelight train`, with `settings` and those of one schedule: `fast`, or `published`
    for the one of its authors. A method without a schedule has neither.
    """

    name: str = Field(pattern=r"^[\w .()+-]+$")  # it is part of a file's name
    method: tuple[dict[str, Any], ...] = Field((), strict=False)
    train: str | None = None
    settings: dict[str, Any] = Field({})
    fast: dict[str, Any] = Field({})
    published: dict[str, Any] = Field({})

    @model_validator(mode="after")
    def one_kind(self) -> Self:
        if bool(self.method) == (self.train is not None):
            raise ValueError('give it one of the two, method = [...] or train = "..."')
        if self.train is None and (self.settings or self.fast or self.published):
            raise ValueError('settings and schedules belong to a training: train = "..."')
        return self

    def training(self, published: bool) -> dict[str, Any]:
        """The settings of `safelight.train` under a schedule."""
        chosen = self.settings | (self.published if published else self.fast)
        return {key: tuple(value) if isinstance(value, list) else value for key, value in chosen.items()}


class Layout(Part):
    """A table. Change anything and the version goes up.

    n: pictures of each task in each row. tasks: by name, the columns to print, as `safelight bench` calls
    them; all that a task measures stands in the JSON. row: in their order, after the unguarded model.
    """

    name: str
    version: int = Field(ge=1)
    about: str
    n: int = Field(ge=1)
    tasks: dict[str, Annotated[tuple[str, ...], Field(strict=False)]] = Field(min_length=1)
    row: tuple[Row, ...] = Field(min_length=1, strict=False)

    @classmethod
    def load(cls, table: str | Path) -> Self:
        """The table of this name, or in this file.

        Raises:
            UnknownName, BadInput: there is none, or it cannot be read.
            Refused: with every problem of the file, but those of its methods' settings.
        """
        path = Path(table).expanduser() if str(table).endswith(".toml") else get("tables", str(table))
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise BadInput(f"the table {path} cannot be read: {error}") from error
        where = f"table {path.name}"
        try:
            layout = cls(**content)
        except ValidationError as error:
            raise Refused(sentences(where, error, cls, Row)) from error
        if problems := layout._problems():
            raise Refused([f"{where}: {problem}" for problem in problems])
        return layout

    @property
    def id(self) -> str:
        """name@version."""
        return f"{self.name}@{self.version}"

    def _problems(self) -> list[str]:
        called = ["base", *(row.name for row in self.row)]
        twice = sorted({name for name in called if called.count(name) > 1})
        found = [f"two rows are called '{name}'" for name in twice]
        for name in self.tasks:
            try:
                task = Task.load(name)
            except (BadInput, Refused) as error:
                found.append(str(error))
                continue
            if task.prompts.published:
                found.append(f"task {task.name} needs a file of prompts, which a table is not given")
        return found


def is_table(name: str) -> bool:
    """Whether this name or TOML file is a table's, and not a task's."""
    if not name.endswith(".toml"):
        return name in names("tables")
    try:
        return "row" in tomllib.loads(Path(name).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False  # then the task says what is wrong with the file
