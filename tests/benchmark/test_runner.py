from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from safelight.benchmark import BASE, bench
from safelight.benchmark.blocks import Bench
from safelight.core.errors import BadInput, Refused
from safelight.core.hard_stop import tables
from safelight.core.nouns import Decision, Outcome, Prompt, Score
from safelight.core.ports import Preset, Reads
from safelight.core.records import noise_seed
from safelight.diffusion import tiny
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.methods.guidance.negative_prompt import NegativePrompt
from safelight.policies import Check, Policy
from safelight.store import Store


class Stop:
    """Presses Ctrl-C once a policy has that many pictures."""

    def __init__(self, policy: str, at: int) -> None:
        self.policy, self.at = policy, at

    def __call__(self, policy: str, done: int, total: int) -> None:
        if (policy, done) == (self.policy, self.at):
            raise KeyboardInterrupt


class Silent:
    """A judge that cannot say anything."""

    name, version, labels, range, content_hash = "oracle", "0", ("bare",), (0.0, 1.0), "0"
    reads: Reads = "image"
    presets: Any = {"default": Preset(("bare",), 0.5)}  # noqa: RUF012 (a test double)

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        raise RuntimeError("out of memory")


def pictures(path: Path) -> dict[str, list[tuple[int, int, int, str | None]]]:
    """Row, k, seed and hash of every picture by policy status."""
    with Store.open(path) as store:
        return {
            run.config_json: [(s.row, s.k, s.seed, s.image_hash) for s in store.samples(run.id)]
            for run in store.runs()
        }


def test_every_policy_gets_the_same_noise_as_the_unguarded_model(
    tmp_path: Path, model: Generator, task, negative: Policy
):
    table = bench(task(), model, [negative], tmp_path / "runs.db", n=5)
    base, guarded = pictures(tmp_path / "runs.db").values()
    assert [row[:3] for row in base] == [row[:3] for row in guarded]
    assert all(a[3] != b[3] for a, b in zip(base, guarded, strict=True))
    assert [row[:2] for row in base] == [
        (0, 0),
        (1, 0),
        (2, 0),
        (0, 1),
        (1, 1),
        (2, 1),
    ]  # whole blocks of two
    assert base[4][2] == noise_seed("t@1", 1, 1)
    assert (table.n, table.prompts) == (5, 3)
    assert [(cell.policy, cell.figure.n) for cell in table.cells] == [("base", 5), ("negative", 5)]
    assert table.cells[0].change is None
    assert table.cells[1].change is not None
    assert table.cells[1].change.n == 5


def test_an_interrupted_run_keeps_what_is_finished_and_goes_on_to_the_same_bytes(
    tmp_path: Path, model: Generator, task, negative: Policy
):
    with pytest.raises(KeyboardInterrupt):
        bench(task(), model, [negative], tmp_path / "cut" / "runs.db", progress=Stop("negative", 2))
    with Store.open(tmp_path / "cut" / "runs.db") as store:
        status = {run.status: store.samples(run.id) for run in store.runs()}
        assert {name: len(samples) for name, samples in status.items()} == {"done": 6, "interrupted": 4}
        kept = [store.images.get(str(s.image_hash)) for s in status["interrupted"]]
        assert len(kept) == 4
        # The block that was being drawn while the first one was judged is kept, and not judged yet.
        assert len(store.scores(next(run.id for run in store.runs() if run.status == "interrupted"))) == 2
    continued = bench(task(), model, [negative], tmp_path / "cut" / "runs.db")
    whole = bench(task(), model, [negative], tmp_path / "whole" / "runs.db")
    assert pictures(tmp_path / "cut" / "runs.db") == pictures(tmp_path / "whole" / "runs.db")
    assert continued == whole


def test_nothing_is_made_twice_and_a_longer_run_goes_on_from_a_shorter_one(
    tmp_path: Path, model: Generator, task
):
    out = tmp_path / "runs.db"
    bench(task(), model, [], out, n=4)
    with Store.open(out) as store:
        (run,) = store.runs()
        short = store.samples(run.id)  # with the milliseconds each took: drawn again they would differ
    again = bench(task(), model, [], out, n=4)
    bench(task(), model, [], out, n=6)
    with Store.open(out) as store:
        (run,) = store.runs()
        assert store.samples(run.id)[:4] == short
        assert len(store.samples(run.id)) == 6
    bench(task(), model, [], tmp_path / "other" / "runs.db", n=6)
    assert pictures(out) == pictures(tmp_path / "other" / "runs.db")
    assert again.cells[0].figure.n == 4


def test_a_measure_that_joins_later_scores_the_stored_pictures(tmp_path: Path, model: Generator, task):
    out = tmp_path / "runs.db"
    bench(task(), model, [], out, n=4)
    table = bench(
        task('judges = ["oracle:bare", "oracle-b:violent"]\nmetrics = ["clip@miniature-1"]\n'),
        model,
        [],
        out,
        n=4,
    )
    with Store.open(out) as store:
        assert len(store.runs()) == 1
    assert {cell.heading for cell in table.cells} == {"oracle:bare share", "oracle-b:violent share", "clip"}


def test_paired_metrics_truths_and_sets_on_captions_with_scenes(
    tmp_path: Path, model: Generator, task, negative: Policy
):
    metrics = [
        "clip@miniature-1",
        "lpips@miniature-oracle-1",
        "accuracy@miniature-oracle-1",
        "fid@miniature-oracle-1",
        "kernel-distance@miniature-oracle-1",
    ]
    source = 'prompts = { generator = "miniature:neutral", rows = 8 }\n'
    captions = task(f'metrics = {metrics}\nreference = "renders"\n', source)
    table = bench(captions, model, [negative], tmp_path / "runs.db", n=8)
    found = {(cell.policy, cell.heading): cell for cell in table.cells}
    assert ("base", "lpips") not in found  # nothing to compare with
    lpips = found["negative", "lpips"].figure
    assert lpips.value is not None
    assert lpips.value > 0
    assert found["base", "accuracy:kind"].figure.n == 8
    assert found["base", "accuracy:kind"].share
    assert found["base", "accuracy:colour"].figure.n < 8  # asked of some captions only
    fid = found["negative", "fid"].figure
    assert (fid.n, fid.lo, fid.hi) == (8, None, None)
    assert fid.value is not None
    assert fid.value > 0
    kernel = found["negative", "kernel-distance"].figure
    assert (kernel.n, kernel.prompts, kernel.how) == (8, 8, "unbiased, all pictures")


def test_a_table_of_prompts_may_say_what_they_ask_for(tmp_path: Path, model: Generator, task):
    (tmp_path / "asked.csv").write_text("kind,style,prompt\nanimal,sketch,a sketch of a cat\nanimal,,a dog\n")
    measured = 'metrics = ["accuracy@miniature-oracle-1"]\n'
    source = 'prompts = { file = "asked.csv", asked = ["kind", "style"] }\n'
    table = bench(task(measured, source), model, [], tmp_path / "runs.db", n=4)
    found = {cell.heading: cell.figure for cell in table.cells}
    assert {name: figure.n for name, figure in found.items()} == {
        "accuracy:kind": 4, "accuracy:style": 2, "accuracy": 6,
    }  # fmt: skip


def test_judges_joined_by_plus_are_asked_together(tmp_path: Path, model: Generator, task):
    union = task('judges = ["oracle:bare+oracle-b:violent", "oracle:bare"]\n')
    table = bench(union, model, [], tmp_path / "runs.db", n=4)
    harm, single = sorted(table.cells, key=lambda cell: cell.metric)
    assert (harm.metric, harm.judge, harm.share) == ("harm@1", "oracle:bare+oracle-b:violent@1+1", True)
    assert harm.figure.value is not None
    assert single.figure.value is not None
    assert harm.figure.value >= single.figure.value
    lost = {"oracle": Silent(), "oracle-b": Silent()}
    silent = bench(
        task('judges = ["oracle+oracle-b"]\n'), model, [], tmp_path / "silent.db", n=4, judges=lost
    )
    assert {(cell.figure.value, cell.figure.failed) for cell in silent.cells} == {(None, 4)}
    with Store.open(tmp_path / "runs.db") as store:
        assert {"judge oracle@1", "judge oracle-b@1"} <= store.runs()[0].versions.keys()


def test_a_failed_judge_is_missing_never_safe(tmp_path: Path, model: Generator, task):
    table = bench(
        task('judges = ["oracle"]\n'), model, [], tmp_path / "runs.db", n=4, judges={"oracle": Silent()}
    )
    assert table.cells[0].figure.value is None
    assert table.cells[0].text == "nothing measured (4 failed)"
    with Store.open(tmp_path / "runs.db") as store:
        scores = store.scores(store.runs()[0].id)
    assert {(score.value, score.status) for score in scores} == {(None, "failed")}


def test_pictures_of_nan_are_failed_samples_never_safe_ones(tmp_path: Path, task):
    broken = load(tiny.sd())
    broken.judges = ("oracle",)
    broken.sampling = replace(broken.sampling, steps=1, height=64, width=64, block=2)
    with torch.no_grad():
        next(iter(broken.backbone.net.parameters())).fill_(float("nan"))
    table = bench(task(), broken, [], tmp_path / "runs.db", n=2)
    assert table.cells[0].figure.value is None
    assert table.cells[0].figure.failed == 2
    with Store.open(tmp_path / "runs.db") as store:
        samples = store.samples(store.runs()[0].id)
        said = [d for d in store.decisions(store.runs()[0].id) if d.status == "failed"]
    assert [(sample.status, sample.image_hash) for sample in samples] == [("failed", None)] * 2
    assert all("not finite" in decision.reason for decision in said)
    assert len(said) == 2


def test_the_hard_stop_reads_what_a_policy_seeks_with_each_prompt(tmp_path: Path, model: Generator, task):
    minor, sexual = (tables()[name][0] for name in ("minor", "sexual"))
    (tmp_path / "s.csv").write_text(f"prompt\na cat\n{sexual}\n")
    seek = {"concept": minor, "reverse_editing_direction": False, "edit_warmup_steps": 0}
    chosen = task(prompts='prompts = { file = "s.csv" }\n')
    bench(chosen, model, [Policy("seeks", ({"use": "sega", **seek},))], tmp_path / "runs.db", n=2)
    with Store.open(tmp_path / "runs.db") as store:
        statuses = [[sample.status for sample in store.samples(run.id)] for run in store.runs()]
    assert statuses == [["ok", "ok"], ["ok", "skipped"]]


def test_checks_are_recorded_and_withhold_nothing_from_the_measures(tmp_path: Path, model: Generator, task):
    strict = Policy("strict", checks=(Check("image", "oracle:bare", Outcome.BLOCK, threshold=0.0),))
    table = bench(task(), model, [strict], tmp_path / "runs.db", n=2)
    assert [cell.figure.n for cell in table.cells] == [2, 2]
    with Store.open(tmp_path / "runs.db") as store:
        run = next(run for run in store.runs() if '"name":"strict"' in run.config_json)
        blocked = [(d.sample, d.judge) for d in store.decisions(run.id) if d.outcome is Outcome.BLOCK]
        assert blocked == [(sample.id, "oracle@1") for sample in store.samples(run.id)]


def test_a_methods_report_is_in_the_record(tmp_path: Path, model: Generator, task, negative: Policy):
    bench(task(), model, [negative], tmp_path / "runs.db", n=2)
    with Store.open(tmp_path / "runs.db") as store:
        run = next(run for run in store.runs() if '"name":"negative"' in run.config_json)
        said = [d for d in store.decisions(run.id) if d.hook == "term"]
    assert [(d.method, d.evidence["on"], d.evidence["concept"]) for d in said] == [
        ("negative-prompt", True, ["blood"])
    ] * 2


def test_progress_counts_every_policys_pictures(tmp_path: Path, model: Generator, task, negative: Policy):
    seen: list[tuple[str, int, int]] = []
    bench(task(), model, [negative], tmp_path / "runs.db", n=3, progress=lambda *now: seen.append(now))
    assert seen == [(name, done, 3) for name in ("base", "negative") for done in (0, 2, 3)]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('judges = ["oracel"]\n', r"unknown judge 'oracel'. Did you mean 'oracle'\?"),
        ('judges = ["oracle:bear"]\n', r"preset of oracle 'bear'. Did you mean 'bare'\?"),
        ('metrics = ["clib@miniature-1"]\n', "Did you mean 'clip@miniature-1'"),
        ('metrics = ["accuracy@miniature-oracle-1"]\n', "name the columns of the table that say it"),
        ('metrics = ["fid@miniature-oracle-1"]\n', "reference ="),
        ('metrics = ["kernel-distance@miniature-oracle-1"]\n', "reference ="),
        ('judges = ["oracle+oracel"]\n', r"unknown judge 'oracel'. Did you mean 'oracle'\?"),
    ],
)
def test_what_a_task_cannot_have_is_refused_before_work_starts(
    tmp_path: Path, model: Generator, task, more: str, words: str
):
    with pytest.raises(Refused, match=words):
        bench(task(more), model, [], tmp_path / "runs.db")
    assert not (tmp_path / "runs.db").exists()


def test_a_judge_of_texts_measures_no_pictures(tmp_path: Path, model: Generator, task):
    silent = Silent()
    silent.reads = "text"
    with pytest.raises(Refused, match="'oracle' says reads = 'text', and here it would be given one image"):
        bench(task('judges = ["oracle"]\n'), model, [], tmp_path / "runs.db", judges={"oracle": silent})


def test_a_judge_that_was_not_made_for_the_model_is_refused_with_what_to_do(tmp_path: Path, task):
    with pytest.raises(Refused, match=r"'oracle' was not made for its pictures.*judges=\{'oracle'"):
        bench(task(), load(tiny.sd()), [], tmp_path / "runs.db")


@pytest.mark.parametrize("n", [0, -3, 2.5, True])
def test_n_must_count(tmp_path: Path, model: Generator, task, n: Any):
    with pytest.raises(BadInput, match="n must be a whole number of at least 1"):
        bench(task(), model, [], tmp_path / "runs.db", n=n)


def test_an_unwritable_place_and_doubled_names_stop_it_first(
    tmp_path: Path, model: Generator, task, negative: Policy
):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BadInput, match="cannot write pictures"):
        bench(task(), model, [], tmp_path / "file" / "runs.db")
    for doubled in ([negative, negative], [BASE]):
        with pytest.raises(BadInput, match="two policies are called"):
            bench(task(), model, doubled, tmp_path / "runs.db")


def test_the_first_n_pictures_are_the_same_whatever_n(tmp_path: Path, model: Generator, task):
    bench(task(), model, [], tmp_path / "a" / "runs.db", n=3)
    bench(task(), model, [], tmp_path / "b" / "runs.db", n=4)
    assert list(pictures(tmp_path / "a" / "runs.db").values()) == list(
        pictures(tmp_path / "b" / "runs.db").values()
    )
    (made,) = pictures(tmp_path / "b" / "runs.db").values()
    assert len({picture[3] for picture in made}) == 4


def test_a_method_that_breaks_leaves_failed_samples_not_unguarded_pictures(
    tmp_path: Path, model: Generator, task, negative: Policy, monkeypatch: pytest.MonkeyPatch
):
    def broken(self: NegativePrompt, p: Prompt) -> tuple[Prompt, list[Decision]]:
        raise RuntimeError("no rewriter")

    monkeypatch.setattr(NegativePrompt, "prompt", broken)
    table = bench(task(), model, [negative], tmp_path / "runs.db", n=2)
    assert [cell.text for cell in table.cells if cell.policy == "negative"] == ["nothing measured (2 failed)"]
    with Store.open(tmp_path / "runs.db") as store:
        run = next(run for run in store.runs() if '"name":"negative"' in run.config_json)
        assert [(s.status, s.image_hash) for s in store.samples(run.id)] == [("failed", None)] * 2
        assert "no rewriter" in store.decisions(run.id)[-1].reason


def test_shards_in_any_order_and_their_rest_are_the_bytes_of_one_run(
    tmp_path: Path, model: Generator, task, negative: Policy
):
    metrics = 'judges = ["oracle:bare"]\nmetrics = ["lpips@miniature-oracle-1"]\n'
    whole = bench(task(metrics), model, [negative], tmp_path / "whole" / "runs.db")
    for shards in (["2/2", "1/2"], ["3/3", "1/1"]):
        out = tmp_path / shards[0].replace("/", "of") / "runs.db"
        first, last = (bench(task(metrics), model, [negative], out, shard=shard) for shard in shards)
        assert (first.cells, first.n, first.prompts) == ((), 6, 3)
        assert last == whole
        with Store.open(out) as store:
            assert {run.status for run in store.runs()} == {"done"}
        assert pictures(out).keys() == pictures(tmp_path / "whole" / "runs.db").keys()
        assert pictures(out) == pictures(tmp_path / "whole" / "runs.db")


def test_a_shard_makes_every_mth_block(tmp_path: Path, model: Generator, task):
    bench(task(), model, [], tmp_path / "runs.db", shard="2/2")
    with Store.open(tmp_path / "runs.db") as store:
        [run] = store.runs()
        assert run.status == "interrupted"
        assert {sample.block for sample in store.samples(run.id)} == {1}


def test_of_two_shards_that_end_together_one_sees_the_whole(
    tmp_path: Path, model: Generator, task, monkeypatch
):
    complete, asked = Bench._complete, []

    def late(self: Bench, run: str, n: int) -> bool:
        found = complete(self, run, n)
        if not asked:
            asked.append(run)
            bench(task(), model, [], tmp_path / "runs.db", shard="1/2")  # ends while the other one looks
        return found

    monkeypatch.setattr(Bench, "_complete", late)
    bench(task(), model, [], tmp_path / "runs.db", shard="2/2")
    with Store.open(tmp_path / "runs.db") as store:
        assert [run.status for run in store.runs()] == ["done"]


@pytest.mark.parametrize("shard", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2", ""])
def test_a_shard_that_is_none_is_named(tmp_path: Path, model: Generator, task, shard: str):
    with pytest.raises(BadInput, match="a shard is written i/m"):
        bench(task(), model, [], tmp_path / "runs.db", shard=shard)


def test_a_judge_that_ends_the_run_does_so_from_its_own_thread(tmp_path: Path, model: Generator, task):
    class Gone(Silent):
        def __call__(self, items: Sequence[Any]) -> list[Score]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(task('judges = ["oracle"]\n'), model, [], tmp_path / "runs.db", judges={"oracle": Gone()})
    with Store.open(tmp_path / "runs.db") as store:
        assert [run.status for run in store.runs()] == ["interrupted"]
