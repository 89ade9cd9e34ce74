"""Races on a tiny random model, whose judge knows the unguarded pictures and finds just them unsafe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmark.stored import fill, withhold

from safelight import cli
from safelight.benchmark import bench, heats
from safelight.benchmark.outcomes import milliseconds, refused, scores
from safelight.benchmark.race import race
from safelight.benchmark.track import Track
from safelight.core.errors import BadInput
from safelight.core.nouns import Decision, Outcome, Score
from safelight.core.ports import Preset
from safelight.diffusion import tiny
from safelight.diffusion.generator import Generator
from safelight.policies import Check, Policy
from safelight.store import Store

SEGA = Policy("sega", ({"use": "sega", "concept": "fire", "edit_warmup_steps": 0},))
SLD = Policy("sld", ({"use": "sld", "concept": "blood", "sld_warmup_steps": 0},))
STRICT = Policy("strict", SLD.methods, (Check("image", "oracle:all", Outcome.BLOCK, threshold=0.0),))
N = 18


class Known:
    """Finds unsafe the pictures that it knows."""

    name, version, labels, range, content_hash = "oracle", "0", ("bare",), (0.0, 1.0), "0"
    presets: Any = {"bare": Preset(("bare",), 0.5), "all": Preset(("bare",), 0.0)}  # noqa: RUF012 (a double)

    def __init__(self, pictures: set[bytes]) -> None:
        self.pictures = pictures

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        return [Score({"bare": float(item.tobytes() in self.pictures)}) for item in items]


@pytest.fixture
def judges(tmp_path: Path, model: Generator, task) -> dict[str, Any]:
    bench(task(), model, [], tmp_path / "unguarded" / "runs.db", n=N)
    with Store.open(tmp_path / "unguarded" / "runs.db") as store:
        [run] = store.runs()
        pictures = {store.images.get(str(s.image_hash)).tobytes() for s in store.samples(run.id)}
    return {"oracle": Known(pictures)}


def test_what_has_lost_is_drawn_no_further_and_the_rest_is_not_told_apart(
    tmp_path: Path, model: Generator, task, judges
):
    out = tmp_path / "runs.db"
    found = race(task(), model, [SLD, SEGA], out, N, judges=judges)
    assert found.left == ["sld", "sega", "sld + sega"]
    last = found.entries[-1]
    assert (last.stack, last.fate) == ("base", "more often unsafe than sld")
    assert last.drawn == 12  # six pairs need ten pictures that differ; twelve are whole passes and blocks
    assert (found.drawn, found.of, found.passes) == (12 + 3 * N, 4 * N, True)
    assert last.unsafe is not None
    assert (last.unsafe.value, last.unsafe.hi, last.unsafe.n) == (1.0, 1.0, 12)
    with Store.open(out) as store:
        before = [sample for run in store.runs() for sample in store.samples(run.id)]
    assert race(task(), model, [SLD, SEGA], out, N, judges=judges) == found
    with Store.open(out) as store:
        assert [sample for run in store.runs() for sample in store.samples(run.id)] == before
    table = bench(task(), model, [SLD], out, N, judges=judges)
    with Store.open(out) as store:  # what it needs besides is the rest of the unguarded pictures
        assert sum(len(store.samples(run.id)) for run in store.runs()) == len(before) + N - 12
    assert [cell.figure.value for cell in table.cells] == [1.0, 0.0]


def test_two_parts_of_which_one_changes_nothing(tmp_path: Path, model: Generator, task, judges):
    idle = Policy("idle", checks=(Check("image", "oracle:bare", Outcome.BLOCK),))
    found = race(task(), model, [SLD, idle], tmp_path / "runs.db", N, judges=judges)
    assert {entry.stack: entry.fate != "" for entry in found.entries} == {
        "sld": False, "sld + idle": False, "base": True, "idle": True,
    }  # fmt: skip


def test_only_what_is_shown_to_refuse_little_may_win(tmp_path: Path, model: Generator, task, judges):
    options: dict[str, Any] = {"over_refusal": 0.5, "harmless": task(), "judges": judges}
    found = race(task(), model, [SLD, STRICT], tmp_path / "runs.db", N, **options)
    fates = {entry.stack: entry.fate for entry in found.entries}
    assert fates == {
        "sld": "", "base": "more often unsafe than sld", "strict": "refuses more than 50 %",
        "sld + strict": "refuses more than 50 %",
    }  # fmt: skip
    strict = next(entry for entry in found.entries if entry.stack == "strict")
    assert strict.over_refusal is not None
    assert (strict.over_refusal.value, strict.unsafe, strict.drawn < N) == (1.0, None, True)
    options["over_refusal"] = 0.1
    none = race(task(), model, [SLD, SEGA], tmp_path / "few" / "runs.db", 6, **options)
    assert none.left == []
    assert {entry.fate for entry in none.entries} == {"not shown to refuse less than 10 %"}


def test_what_takes_too_long_is_out_after_one_look(
    tmp_path: Path, model: Generator, task, judges, monkeypatch: pytest.MonkeyPatch
):
    times = iter([[10.0, 30.0, 10.0], [14.0] * 3, [16.0] * 3, []])
    monkeypatch.setattr(heats, "milliseconds", lambda *_: next(times))
    found = race(task(), model, [SLD, SEGA], tmp_path / "runs.db", N, latency=1.5, judges=judges)
    by = {entry.stack: entry for entry in found.entries}
    assert found.left == ["sld"]
    assert (by["sld"].latency, by["sega"].latency, by["sld + sega"].latency) == (1.4, 1.6, None)
    assert by["sega"].fate == "takes longer than 1.5 times"
    assert by["sld + sega"].fate.startswith("no picture was drawn")
    assert by["sega"].drawn == 4


@pytest.mark.parametrize(
    ("n", "block", "looks"),
    [
        (12, 2, [3, 6, 9, 12]),  # after 4, 6, 8, 10, 12 pictures the last whole pass
        (12, 50, [12]),
        (20, 5, [3, 9, 15, 18]),
        (5, 2, [2, 4, 5]),  # less than two passes: after every block
    ],
)
def test_looks_are_at_the_ends_of_passes_where_there_are_several(
    tmp_path: Path, model: Generator, task, n: int, block: int, looks: list[int]
):
    with Store.open(tmp_path / "runs.db") as store:
        track = Track.of(task(), n, model, None, store, lambda *_: None)
        track = replace(track, sampling=replace(track.sampling, block=min(block, n)))
        assert track.looks == looks
        assert track.drawn(looks[0]) % track.sampling.block == 0


def test_outcomes_of_stored_pictures(tmp_path: Path):
    with Store.open(tmp_path / "runs.db") as store:
        run = fill(store, "sld", [1, 0, None])
        withhold(store, run, 1)
        sample = store.samples(run)[2]
        store.add(Decision(sample.id, "image", "check", "oracle", Outcome.REWRITE, "", ms=4.0))
        assert scores(store, run, "share@1", "oracle:bare@1", 3) == {(0, 0): 1, (0, 1): 0, (0, 2): None}
        assert refused(store, run, 3) == [False, True, False]
        assert milliseconds(store, run, 3) == [1.0, 1.0, 5.0]
        assert refused(store, run, 1) == [False]


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({"latency": 0.5}, "latency must be a finite number"),
        ({"over_refusal": 0.0}, "no number of pictures shows a share to be 0"),
        ({"over_refusal": 2.0}, "over_refusal must be a finite number"),
        ({"n": 0}, "n must be a whole number of at least 1"),
    ],
)
def test_budgets_are_checked_before_anything_is_drawn(tmp_path: Path, model: Generator, task, budget, said):
    with pytest.raises(BadInput, match=said):
        race(task(), model, [SLD, SEGA], tmp_path / "runs.db", **budget)
    with pytest.raises(BadInput, match="no judge of what is unsafe"):
        race(task("judges = []\n"), model, [SLD, SEGA], tmp_path / "runs.db")
    assert not (tmp_path / "runs.db").exists()


def test_the_commands(tmp_path: Path, task, capsys):
    made = tiny.sd()
    made.save_pretrained(tmp_path / "tiny")
    settings = {"steps": 2, "guidance": 3.0, "height": 64, "width": 64, "block": 2, "judges": ["oracle"]}
    (tmp_path / "tiny" / "safelight.json").write_text(json.dumps(settings))
    task()
    policies = []
    for part in (SLD, SEGA):
        lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in part.methods[0].items())
        (tmp_path / f"{part.name}.toml").write_text(
            f'schema = 1\nname = "{part.name}"\n[[method]]\n{lines}\n'
        )
        policies += ["--policy", str(tmp_path / f"{part.name}.toml")]
    common = [str(tmp_path / "t.toml"), *policies, "--model", str(tmp_path / "tiny"), "-n", "3"]
    common += ["--out", str(tmp_path / "runs.db")]
    negative = ["--method", "negative-prompt"]
    assert cli.run(["stacks", *common, *negative]) == 0
    said = capsys.readouterr().out
    assert "| base |" in said
    assert "|  | negative-prompt | sld | sega |" in said
    assert "Diagonal: the change by one alone." in said
    assert cli.run(["race", *common, *negative, "--latency", "1000"]) == 0
    said = capsys.readouterr().out
    assert "pictures drawn of" in said
    assert "the order of the prompts must mean nothing" in said
    assert cli.run(["race", *common, "--over-refusal", "0.5", "--harmless", common[0], "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["left"] == []
