from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from safelight.core.errors import BadInput
from safelight.core.nouns import Decision, Outcome
from safelight.core.records import Artifact, Run, Sample, ScoreRow, StepRow
from safelight.store import NotStored, Store
from safelight.store.migrations import STEPS
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


def run(where: str, *statements: str) -> list[tuple[object, ...]]:
    """SQL by another connection; the rows of the last statement."""
    with Store.open(where) as other, other.engine.begin() as connection:
        results = [connection.exec_driver_sql(statement) for statement in statements]
        return [tuple(row) for row in results[-1]] if results[-1].returns_rows else []


def test_records_come_back_as_they_went_in(where: str):
    scores = [
        ScoreRow("s0", "unsafe@1", "oracle@1", None, "failed"),
        ScoreRow("s0", "clip@x", "", 0.25, "ok"),
    ]
    artifact = Artifact("a", "h", "a.safetensors", "b", "r")
    with Store.open(where) as store:
        store.add(scores[0], DECISION, SAMPLE, RUN, artifact, scores[1])  # any order: foreign keys come first
    with Store.open(where) as store:
        assert store.runs() == [RUN]
        assert store.samples("r") == [SAMPLE]
        assert store.decisions("r") == [DECISION]
        assert sorted(store.scores("r"), key=lambda s: s.status) == scores
        assert store.artifacts() == [artifact]
        assert store.samples("other") == []


def test_missing_is_null_with_a_status(where: str):
    with Store.open(where) as store:
        store.add(RUN, SAMPLE, ScoreRow("s0", "unsafe@1", "oracle@1", None, "failed"))
    assert run(where, "select value, status from score where value is null") == [(None, "failed")]
    assert run(where, "select image_hash is null from sample") == [(True,)]


def test_a_decision_is_committed_when_add_returns(where: str):
    with Store.open(where) as store:
        store.add(RUN, SAMPLE)
        store.add(DECISION)
        # Another reader while the writer is open.
        assert run(where, "select outcome, evidence from decision") == [("block", '{"bare":0.9}')]


def test_sqlite_writes_ahead(tmp_path: Path):
    assert run(str(tmp_path / "runs.db"), "pragma journal_mode") == [("wal",)]


def test_a_failing_record_takes_its_whole_call_along(where: str):
    with Store.open(where) as store:
        store.add(RUN)
        with pytest.raises(NotStored, match="2 records were not written"):
            store.add(SAMPLE, replace(DECISION, sample="nobody"))
        assert store.samples("r") == []
        store.add(SAMPLE)
        with pytest.raises(NotStored, match=r"(?i)unique"):
            store.add(SAMPLE)


def test_nan_is_never_stored(where: str):
    with Store.open(where) as store:
        store.add(RUN, SAMPLE)
        with pytest.raises(NotStored, match="value is nan"):
            store.add(ScoreRow("s0", "clip@x", "", float("nan"), "ok"))
        with pytest.raises(ValueError, match="JSON"):
            store.add(replace(DECISION, evidence={"bare": float("nan")}))
        assert store.scores("r") == []


def test_a_training_that_went_back_has_each_step_once(where: str):
    rows = [StepRow("r", k, {"loss": 1 / k, "gradient_norm": 2.0}, 0.5) for k in (1, 2, 3, 4)]
    again = [replace(row, seconds=0.7) for row in rows[2:]]
    with Store.open(where) as store:
        store.add(RUN, replace(RUN, id="q"), replace(rows[0], run="q", step=3), *reversed(rows))
        assert store.steps("r") == rows
        with pytest.raises(NotStored, match=r"(?i)unique"):
            store.add(again[0])
        store.rewind("r", 3)
        store.add(*again)
        assert store.steps("r") == [*rows[:2], *again]
        assert len(store.steps("q")) == 1


def test_a_database_of_the_first_release_gets_the_table_of_steps(where: str):
    Store.open(where).close()
    run(where, "drop table step", "delete from migration where name = 'training_steps'")
    with Store.open(where) as store:
        store.add(RUN, StepRow("r", 1, {"loss": 1.0}, 0.5))
        assert len(store.steps("r")) == 1


def test_finish_says_how_a_run_stands(where: str):
    with Store.open(where) as store:
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


def test_a_later_release_is_recognised(where: str):
    Store.open(where).close()
    run(where, "insert into migration values ('from_the_future')")
    with pytest.raises(BadInput, match=r"later safelight .*from_the_future"):
        Store.open(where)


def test_the_migrations_give_the_tables_of_today(where: str):
    Store.open(where).close()
    Store.open(where).close()  # a second time nothing is left to do
    with Store.open(where) as store, store.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    assert [d for d in differences if "migration" not in str(d)] == []


def test_parquet_has_every_table_with_its_types(where: str, tmp_path: Path):
    with Store.open(where) as store:
        store.add(RUN, SAMPLE)
        paths = store.export(tmp_path / "tables")
    assert sorted(p.stem for p in paths) == ["artifact", "decision", "run", "sample", "score", "step"]
    sample = pq.read_table(tmp_path / "tables" / "sample.parquet")
    assert sample.to_pylist()[0]["seed"] == 2**62 + 1
    assert sample.to_pylist()[0]["image_hash"] is None
    assert str(pq.read_table(tmp_path / "tables" / "score.parquet").schema.field("value").type) == "double"


def test_a_url_names_the_folder_of_its_pictures(tmp_path: Path):
    with Store.open(f"sqlite:///{tmp_path}/runs.db?images={tmp_path}/seen") as store:
        assert store.images.folder == tmp_path / "seen"
        assert "images" not in store.engine.url.query


def test_several_processes_may_begin_one_run(where: str):
    with Store.open(where) as one, Store.open(where) as other:
        one.begin(RUN)
        one.finish("r", "interrupted")
        other.begin(RUN)
        assert one.runs() == [RUN]
        with pytest.raises(NotStored, match="1 records were not written"):
            other.begin(replace(RUN, id="q", status=None))  # pyright: ignore[reportArgumentType]


def test_a_new_database_that_several_open_at_once_is_made_once(where: str):
    with ThreadPoolExecutor(8) as pool:
        for opened in [pool.submit(Store.open, where) for _ in range(8)]:
            opened.result().close()
    assert len(run(where, "select name from migration")) == len(STEPS)


def test_a_migration_that_is_cut_off_leaves_nothing(where: str, monkeypatch: pytest.MonkeyPatch):
    def cut(op: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("safelight.store.migrations.STEPS", [*STEPS, cut])
        with pytest.raises(KeyboardInterrupt):
            Store.open(where)
    with Store.open(where) as store:
        store.add(RUN)
        assert store.runs() == [RUN]
