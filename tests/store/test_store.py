from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from safelight.core.errors import BadInput
from safelight.core.nouns import Decision, Outcome
from safelight.core.records import Artifact, Run, Sample, ScoreRow, StepRow
from safelight.store import NotStored, Store
from safelight.store.tables import metadata

RUN = Run("r", '{"model":"tiny"}', "p", "", {"torch": "2"}, "running")
SAMPLE = Sample("s0", "r", "body@1", 0, 0, 2**62 + 1, 0, "ph", None, "failed", None)
DECISION = Decision(
    "s0",
    "image",
    "image",
    "oracle",
    Outcome.BLOCK,
    "bare 0.9",
    "bare",
    0.9,
    0.5,
    "oracle@1",
    evidence={"bare": 0.9},
)


def test_records_come_back_as_they_went_in(tmp_path: Path):
    scores = [
        ScoreRow("s0", "unsafe@1", "oracle@1", None, "failed"),
        ScoreRow("s0", "clip@x", "", 0.25, "ok"),
    ]
    artifact = Artifact("a", "h", "a.safetensors", "b", "r")
    with Store.open(tmp_path / "runs.db") as store:
        store.add(scores[0], DECISION, SAMPLE, RUN, artifact, scores[1])  # any order: foreign keys come first
    with Store.open(tmp_path / "runs.db") as store:
        assert store.runs() == [RUN]
        assert store.samples("r") == [SAMPLE]
        assert store.decisions("r") == [DECISION]
        assert sorted(store.scores("r"), key=lambda s: s.status) == scores
        assert store.artifacts() == [artifact]
        assert store.samples("other") == []


def test_missing_is_null_with_a_status(tmp_path: Path):
    with Store.open(tmp_path / "runs.db") as store:
        store.add(RUN, SAMPLE, ScoreRow("s0", "unsafe@1", "oracle@1", None, "failed"))
    with sqlite3.connect(tmp_path / "runs.db") as db:
        assert db.execute("select value, status from score where value is null").fetchall() == [
            (None, "failed")
        ]
        assert db.execute("select image_hash is null from sample").fetchall() == [(1,)]
    db.close()


def test_a_decision_is_committed_when_add_returns(tmp_path: Path):
    with Store.open(tmp_path / "runs.db") as store:
        store.add(RUN, SAMPLE)
        store.add(DECISION)
        db = sqlite3.connect(
            tmp_path / "runs.db"
        )  # another reader while the writer is open: write-ahead mode
        assert db.execute("pragma journal_mode").fetchone() == ("wal",)
        assert db.execute("select outcome, evidence from decision").fetchall() == [("block", '{"bare":0.9}')]
        db.close()


def test_a_failing_record_takes_its_whole_call_along(tmp_path: Path):
    with Store.open(tmp_path / "runs.db") as store:
        store.add(RUN)
        with pytest.raises(NotStored, match="2 records were not written"):
            store.add(SAMPLE, replace(DECISION, sample="nobody"))
        assert store.samples("r") == []
        store.add(SAMPLE)
        with pytest.raises(NotStored, match="UNIQUE"):
            store.add(SAMPLE)


def test_nan_is_never_stored(tmp_path: Path):
    with Store.open(tmp_path / "runs.db") as store:
        store.add(RUN, SAMPLE)
        with pytest.raises(NotStored, match="value is nan"):
            store.add(ScoreRow("s0", "clip@x", "", float("nan"), "ok"))
        with pytest.raises(ValueError, match="JSON"):
            store.add(replace(DECISION, evidence={"bare": float("nan")}))
        assert store.scores("r") == []


def test_a_training_that_went_back_has_each_step_once(tmp_path: Path):
    rows = [StepRow("r", k, {"loss": 1 / k, "gradient_norm": 2.0}, 0.5) for k in (1, 2, 3, 4)]
    again = [replace(row, seconds=0.7) for row in rows[2:]]
    with Store.open(tmp_path / "runs.db") as store:
        store.add(RUN, replace(RUN, id="q"), replace(rows[0], run="q", step=3), *reversed(rows))
        assert store.steps("r") == rows
        with pytest.raises(NotStored, match="UNIQUE"):
            store.add(again[0])
        store.rewind("r", 3)
        store.add(*again)
        assert store.steps("r") == [*rows[:2], *again]
        assert len(store.steps("q")) == 1


def test_a_database_of_the_first_release_gets_the_table_of_steps(tmp_path: Path):
    Store.open(tmp_path / "runs.db").close()
    with sqlite3.connect(tmp_path / "runs.db") as db:
        db.execute("drop table step")
        db.execute("delete from migration where name = 'training_steps'")
    db.close()
    with Store.open(tmp_path / "runs.db") as store:
        store.add(RUN, StepRow("r", 1, {"loss": 1.0}, 0.5))
        assert len(store.steps("r")) == 1


def test_finish_says_how_a_run_stands(tmp_path: Path):
    with Store.open(tmp_path / "runs.db") as store:
        store.add(RUN, replace(RUN, id="q"))
        store.finish("r", "interrupted")
        assert {run.id: run.status for run in store.runs()} == {"r": "interrupted", "q": "running"}


@pytest.mark.parametrize("place", ["/proc/none/runs.db", "file/runs.db"])
def test_an_unwritable_place_is_named_before_any_work(tmp_path: Path, place: str):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BadInput, match=r"cannot write pictures to .*; give a folder"):
        Store.open(tmp_path / place)


def test_another_file_is_not_taken_for_a_database(tmp_path: Path):
    (tmp_path / "runs.db").write_text("a diary, " * 500)
    with pytest.raises(BadInput, match="cannot be used as a database"):
        Store.open(tmp_path / "runs.db")
    assert (tmp_path / "runs.db").read_text().startswith("a diary")


@pytest.mark.parametrize(
    ("url", "words"), [("nosuch://x/y", "safelight\\[postgres\\]|is no"), ("postgresql://h/d", "images=")]
)
def test_a_url_that_cannot_serve(url: str, words: str):
    with pytest.raises(BadInput, match=words):
        Store.open(url)


def test_a_later_release_is_recognised(tmp_path: Path):
    Store.open(tmp_path / "runs.db").close()
    with sqlite3.connect(tmp_path / "runs.db") as db:
        db.execute("insert into migration values ('from_the_future')")
    db.close()
    with pytest.raises(BadInput, match=r"later safelight .*from_the_future"):
        Store.open(tmp_path / "runs.db")


def test_the_migrations_give_the_tables_of_today(tmp_path: Path):
    Store.open(tmp_path / "runs.db").close()
    Store.open(tmp_path / "runs.db").close()  # a second time nothing is left to do
    engine = create_engine(f"sqlite:///{tmp_path / 'runs.db'}")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert [d for d in differences if "migration" not in str(d)] == []


def test_parquet_has_every_table_with_its_types(tmp_path: Path):
    with Store.open(tmp_path / "runs.db") as store:
        store.add(RUN, SAMPLE)
        paths = store.export(tmp_path / "tables")
    assert sorted(p.stem for p in paths) == ["artifact", "decision", "run", "sample", "score", "step"]
    sample = pq.read_table(tmp_path / "tables" / "sample.parquet")
    assert sample.to_pylist()[0]["seed"] == 2**62 + 1
    assert sample.to_pylist()[0]["image_hash"] is None
    assert str(pq.read_table(tmp_path / "tables" / "score.parquet").schema.field("value").type) == "double"
