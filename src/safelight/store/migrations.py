"""How a database of any age becomes today's: named steps, each run once, their names kept in the table
`migration`.

A step is never edited after a release. To change a table, change tables.py and add a step at the end of STEPS
that does the same to existing databases; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    inspect,
)

from safelight.core.errors import BadInput

applied = Table("migration", MetaData(), Column("name", Text, primary_key=True))


LOCK = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(2211050105)"}
"""What makes the first of several processes at one new database do the steps, in one transaction."""


def migrate(connection: Connection) -> None:
    """Run the steps this database lacks, in order, all or none. A step we do not know means that a later
    release wrote it: BadInput.
    """
    if not _missing(connection):
        return
    connection.exec_driver_sql(LOCK[connection.dialect.name])
    applied.create(connection, checkfirst=True)
    op = Operations(MigrationContext.configure(connection))
    for step in _missing(connection):
        step(op)
        connection.execute(applied.insert().values(name=step.__name__))


def _missing(connection: Connection) -> list[Callable[[Operations], None]]:
    there = inspect(connection).has_table(applied.name)
    done = set(connection.scalars(applied.select())) if there else set()
    if unknown := sorted(done - {step.__name__ for step in STEPS}):
        raise BadInput(
            f"the database was written by a later safelight (it has {', '.join(unknown)}); "
            "install that release or give another file"
        )
    return [step for step in STEPS if step.__name__ not in done]


def records(op: Operations) -> None:
    """run, sample, decision, score, artifact as first released."""
    op.create_table(
        "run",
        Column("id", Text, primary_key=True),
        Column("config_json", Text, nullable=False),
        Column("protocol_hash", Text, nullable=False),
        Column("git_rev", Text),
        Column("versions", Text, nullable=False),
        Column("status", Text, nullable=False),
    )
    op.create_table(
        "sample",
        Column("id", Text, primary_key=True),
        Column("run", Text, ForeignKey("run.id"), nullable=False),
        Column("task", Text, nullable=False),
        Column("row", Integer, nullable=False),
        Column("k", Integer, nullable=False),
        Column("seed", BigInteger, nullable=False),
        Column("block", Integer, nullable=False),
        Column("prompt_hash", Text, nullable=False),
        Column("image_hash", Text),
        Column("status", Text, nullable=False),
        Column("ms", Float),
    )
    op.create_index("sample_of_run", "sample", ["run", "task"])
    op.create_table(
        "decision",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("sample", Text, ForeignKey("sample.id"), nullable=False),
        Column("stage", Text, nullable=False),
        Column("hook", Text, nullable=False),
        Column("method", Text, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("category", Text, nullable=False),
        Column("score", Float),
        Column("threshold", Float),
        Column("judge", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("evidence", Text, nullable=False),
        Column("ms", Float),
    )
    op.create_index("decision_of_sample", "decision", ["sample"])
    op.create_table(
        "score",
        Column("sample", Text, ForeignKey("sample.id"), primary_key=True),
        Column("metric", Text, primary_key=True),
        Column("judge", Text, primary_key=True),
        Column("value", Float),
        Column("status", Text, nullable=False),
    )
    op.create_table(
        "artifact",
        Column("id", Text, primary_key=True),
        Column("hash", Text, nullable=False),
        Column("path", Text, nullable=False),
        Column("base_hash", Text, nullable=False),
        Column("run", Text, ForeignKey("run.id")),
    )


def training_steps(op: Operations) -> None:
    """step: a training's record of each update."""
    op.create_table(
        "step",
        Column("run", Text, ForeignKey("run.id"), primary_key=True),
        Column("step", Integer, primary_key=True),
        Column("scalars", Text, nullable=False),
        Column("seconds", Float, nullable=False),
    )


STEPS = [records, training_steps]
