"""One database and one folder of pictures; with its neighbours the only place that talks SQL.

SQLite in write-ahead mode by default, PostgreSQL by its URL. What goes in and comes out are the records of
core/records.py and decisions. Every write is one transaction that is on disk when the call returns: a
decision that was added may be acted on, and one that could not be added raises.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    Engine,
    Select,
    Table,
    create_engine,
    delete,
    event,
    make_url,
    select,
    update,
)
from sqlalchemy import (
    Row as SqlRow,
)
from sqlalchemy.exc import ArgumentError, DBAPIError

from safelight.core.errors import BadInput, SafelightError
from safelight.core.nouns import Decision, Outcome
from safelight.core.records import Artifact, Run, Sample, ScoreRow, StepRow, canonical
from safelight.store import parquet, tables
from safelight.store.images import Images
from safelight.store.migrations import migrate

Record = Run | Sample | Decision | ScoreRow | StepRow | Artifact
R = TypeVar("R", Run, Sample, Decision, ScoreRow, StepRow, Artifact)
TABLE_OF: Mapping[type, Table] = {  # in the order of their foreign keys
    Run: tables.run,
    Sample: tables.sample,
    Decision: tables.decision,
    ScoreRow: tables.score,
    StepRow: tables.step,
    Artifact: tables.artifact,
}
JSON = {"versions", "evidence", "scalars"}  # columns that hold mappings


class NotStored(SafelightError):
    """Records could not be written. Nothing of the call is in the database: release none of its pictures."""


class Store:
    """An open database with its pictures: `with Store.open("runs.db") as store: ...`"""

    def __init__(self, engine: Engine, images: Images) -> None:
        self.engine, self.images = engine, images

    @classmethod
    def open(cls, where: str | Path, images: str | Path | None = None) -> Store:
        """Open or create the database in the file or at the URL `where`, and bring it to today's tables.

        Pictures go to the folder `images`, by default to the one that the URL names (`?images=FOLDER`), else
        to the one of that name beside the file. BadInput when either place cannot be written or holds
        something else.
        """
        url = _url(where)
        images = images or str(url.query.get("images", ""))
        url = url.difference_update_query(["images"])
        if not images:
            if url.get_backend_name() != "sqlite" or not url.database:
                raise BadInput(
                    f"{url} is no file beside which pictures could lie: give their folder, ?images=FOLDER"
                )
            images = Path(url.database).parent / "images"
        pictures = Images(Path(images))
        engine = _engine(url)
        try:
            with engine.begin() as connection:
                migrate(connection)
        except BaseException as error:
            engine.dispose()
            if not isinstance(error, DBAPIError):
                raise
            raise BadInput(
                f"{url} cannot be used as a database: {error.orig}; give a file or URL that can"
            ) from error
        return cls(engine, pictures)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.engine.dispose()

    def add(self, *records: Record) -> None:
        """Write all records or none, committed on return. NotStored names what was in the way."""
        try:
            with self.engine.begin() as connection:
                for kind, table in TABLE_OF.items():
                    if rows := [_row(record) for record in records if isinstance(record, kind)]:
                        connection.execute(table.insert(), rows)
        except DBAPIError as error:
            raise NotStored(
                f"{len(records)} records were not written to {self.engine.url}: {error.orig}"
            ) from error

    def begin(self, run: Run) -> None:
        """Write a run, or say that a known one is running again. Several processes may begin one at once."""
        try:
            self.add(run)
        except NotStored:
            if run.id not in {known.id for known in self.runs()}:
                raise
            self.finish(run.id, "running")

    def finish(self, run: str, status: str) -> None:
        """Say how a run stands: running, done, interrupted or failed."""
        with self.engine.begin() as connection:
            connection.execute(update(tables.run).where(tables.run.c.id == run).values(status=status))

    def rewind(self, run: str, step: int) -> None:
        """Forget a training's steps from `step` on: it went back to a checkpoint, and they come again."""
        t = tables.step
        with self.engine.begin() as connection:
            connection.execute(delete(t).where(t.c.run == run, t.c.step >= step))

    def runs(self) -> list[Run]:
        return self._read(Run, select(tables.run))

    def samples(self, run: str) -> list[Sample]:
        """The pictures of a run, in the order of its task."""
        t = tables.sample
        return self._read(Sample, select(t).where(t.c.run == run).order_by(t.c.k, t.c.row))

    def decisions(self, run: str) -> list[Decision]:
        """The decisions on a run's pictures, in the order they were taken."""
        t = tables.decision
        return self._read(Decision, self._of_run(t, run).order_by(t.c.id))

    def scores(self, run: str) -> list[ScoreRow]:
        """The scores of a run's pictures, missing ones included."""
        return self._read(ScoreRow, self._of_run(tables.score, run))

    def steps(self, run: str) -> list[StepRow]:
        """The record of a training, in its order."""
        t = tables.step
        return self._read(StepRow, select(t).where(t.c.run == run).order_by(t.c.step))

    def artifacts(self) -> list[Artifact]:
        return self._read(Artifact, select(tables.artifact))

    def export(self, folder: str | Path) -> list[Path]:
        """Every table as a parquet file in `folder`."""
        with self.engine.connect() as connection:
            return parquet.export(connection, Path(folder))

    def _read(self, kind: type[R], query: Select) -> list[R]:
        with self.engine.connect() as connection:
            return [_record(kind, row) for row in connection.execute(query)]

    def _of_run(self, table: Table, run: str) -> Select:
        return (
            select(table)
            .join(tables.sample, table.c.sample == tables.sample.c.id)
            .where(tables.sample.c.run == run)
        )


def _url(where: str | Path) -> URL:
    if isinstance(where, str) and "://" in where:
        try:
            return make_url(where)
        except ArgumentError as error:
            raise BadInput(
                f"'{where}' is no database URL; write sqlite:///FILE or postgresql+psycopg://..."
            ) from error
    return URL.create("sqlite", database=str(where))


def _engine(url: URL) -> Engine:
    try:
        engine = create_engine(url)
    except ModuleNotFoundError as error:
        raise BadInput(f"{url} needs the package {error.name}: pip install 'safelight[postgres]'") from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _pragmas)
    return engine


def _pragmas(connection: Any, _: Any) -> None:
    """Readers beside a writer, a writer that waits for its turn, and no score without its sample."""
    for pragma in ("busy_timeout = 30000", "journal_mode = WAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _row(record: Record) -> dict[str, Any]:
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    for name, value in values.items():
        if isinstance(value, float) and not isfinite(value):  # SQLite would turn NaN into NULL without a word
            raise NotStored(f"{name} is {value} in {record}: what is missing is None with a status")
    return {name: canonical(value) if name in JSON else value for name, value in values.items()}


def _record(kind: type[R], row: SqlRow) -> R:
    values = {field.name: getattr(row, field.name) for field in fields(kind)}
    values |= {name: json.loads(values[name]) for name in JSON & values.keys()}
    if kind is Decision:
        values["outcome"] = Outcome(values["outcome"])
    return kind(**values)
