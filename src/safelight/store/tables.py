"""The tables of a run: what was asked, what happened to each picture, what it scored.

Missing is NULL with a status, never 0 and never NaN. Columns are explained where their name does not.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text

metadata = MetaData()

run = Table(
    "run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("config_json", Text, nullable=False),
    Column(
        "protocol_hash", Text, nullable=False
    ),  # block size, dtype, threads, ...: what the same bytes hang on
    Column("git_rev", Text),
    Column("versions", Text, nullable=False),  # JSON: packages, judges and networks with their hashes
    Column("status", Text, nullable=False),  # running | done | interrupted | failed
)

sample = Table(
    "sample",
    metadata,
    Column("id", Text, primary_key=True),  # hash of configuration, task, row and k: the resume key
    Column("run", Text, ForeignKey("run.id"), nullable=False),
    Column("task", Text, nullable=False),
    Column("row", Integer, nullable=False),  # of the task's prompt table
    Column("k", Integer, nullable=False),  # the k-th picture of that row
    Column("seed", BigInteger, nullable=False),
    Column("block", Integer, nullable=False),
    Column("prompt_hash", Text, nullable=False),
    Column("image_hash", Text),  # file under images/; NULL when no picture was made
    Column("status", Text, nullable=False),  # ok | failed | skipped
    Column("ms", Float),
    Index("sample_of_run", "run", "task"),
)

decision = Table(
    "decision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("sample", Text, ForeignKey("sample.id"), nullable=False),
    Column("stage", Text, nullable=False),
    Column("hook", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("category", Text, nullable=False),  # empty: of no category
    Column("score", Float),
    Column("threshold", Float),
    Column("judge", Text, nullable=False),  # name@version, empty where no judge was asked
    Column("status", Text, nullable=False),  # ok | failed | skipped
    Column("evidence", Text, nullable=False),  # JSON
    Column("ms", Float),
    Index("decision_of_sample", "sample"),
)

score = Table(
    "score",
    metadata,
    Column("sample", Text, ForeignKey("sample.id"), primary_key=True),
    Column("metric", Text, primary_key=True),  # name@version
    Column("judge", Text, primary_key=True),  # name@version, empty for metrics without a judge
    Column("value", Float),
    Column("status", Text, nullable=False),  # ok | failed | skipped
)

step = Table(
    "step",
    metadata,
    Column("run", Text, ForeignKey("run.id"), primary_key=True),
    Column("step", Integer, primary_key=True),  # updates done, from 1
    Column("scalars", Text, nullable=False),  # JSON: loss, gradient_norm, and what else the objective records
    Column("seconds", Float, nullable=False),
)

artifact = Table(
    "artifact",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("base_hash", Text, nullable=False),
    Column("run", Text, ForeignKey("run.id")),
)
