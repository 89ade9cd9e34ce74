"""A table: its figures are those of the benchmark, and nothing in it is made twice."""

from __future__ import annotations

import json
import subprocess
import sys
from shutil import copy

import pytest
import torch

from safelight.benchmark import bench
from safelight.benchmark.report import report
from safelight.cli.bench import judges_of
from safelight.core.errors import BadInput, Refused
from safelight.core.records import canonical
from safelight.diffusion import tiny
from safelight.diffusion.generator import Generator
from safelight.methods.weights.weights import Weights
from safelight.policies import Policy
from safelight.store import Store, artifacts
from safelight.store.files import write_tensors
from safelight.tables import Layout, rows
from safelight.tables.fill import _turned, fill
from safelight.training import sdd


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def whole(model, written, kept):
    """The undisturbed table; made by the first test that asks."""
    return fill(written(), model, kept / "runs.db")


def test_figures_are_those_of_the_benchmark_on_the_same_tasks(model, written, whole, tmp_path):
    assert [table.task for table in whole.tables] == ["seen@1", "felt@1"]
    made = {entry.name: entry.trained for entry in whole.entries if entry.trained}
    policies = [Policy("SLD", ({"use": "sld", "sld_warmup_steps": 0, "concept": "bare"},))]
    for name, trained in made.items():
        moved = copy(trained.path, tmp_path / f"{name}.safetensors")  # a run goes by content, not by place
        policies.insert(-1, Policy(name, ({"use": "weights", "file": str(moved)},)))
    assert bench(tmp_path / "seen.toml", model, policies, tmp_path / "runs.db", 2) == whole.tables[0]


def test_every_row_says_its_text_and_what_it_cost(whole):
    header, lines = whole.grid()
    rows = {line[0]: dict(zip(header, line, strict=True)) for line in lines}
    assert header[2:4] == ["seen: oracle:bare share", "felt: clip"]
    assert list(rows) == ["base", "SDD", "UCE", "SLD"]
    concepts = {name: row["concept"] for name, row in rows.items()}
    assert (concepts["base"], concepts["SDD"]) == ("", "blood; a wound")
    assert concepts["UCE"] == "blood → water"
    assert concepts["SLD"].startswith("nudity, nude")
    # Two texts, or three, at each of two steps.
    costs = {name: row["a picture: network rows"] for name, row in rows.items()}
    assert costs == {"base": "4", "SDD": "4", "UCE": "4", "SLD": "6"}
    # 8 samplings of 4 steps and two texts; at each of 2 updates 2 latents with two texts; one for the drift.
    assert rows["SDD"]["training: network rows"] == str(8 * 4 * 2 + 2 * 2 * 2 + 2)
    assert (rows["UCE"]["training: network rows"], rows["base"]["training: network rows"]) == ("0", "")
    assert "fast schedules" in whole.markdown()
    assert whole.markdown().count("\n| ") == 5
    assert whole.json()["rows"][1]["trained"]["content"] == whole.entries[1].trained.content


def test_nothing_is_made_twice(model, written, whole, kept, monkeypatch):
    monkeypatch.setattr(sdd.SDD, "loss", lambda *_: pytest.fail("trained again"))
    drawn, run = [], Generator.run
    monkeypatch.setattr(Generator, "run", lambda self, p, *rest: drawn.append(len(p)) or run(self, p, *rest))
    again = fill(written(), model, kept / "runs.db")
    assert drawn == [1] * 4  # the picture on which rows are counted
    assert again.tables == whole.tables
    assert again.entries[1] == whole.entries[1]


def test_stopped_in_a_training_it_goes_on_to_the_same_figures(model, written, whole, tmp_path, monkeypatch):
    loss, made = sdd.SDD.loss, []

    def interrupted(self, batch):
        if made:
            raise KeyboardInterrupt
        made.append(batch)
        return loss(self, batch)

    monkeypatch.setattr(sdd.SDD, "loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fill(written(), model, tmp_path / "runs.db")
    with Store.open(tmp_path / "runs.db") as store:
        assert store.runs() == []
    monkeypatch.undo()
    resumed = fill(written(), model, tmp_path / "runs.db")
    assert resumed.tables == whole.tables
    assert [e.trained and e.trained.rows for e in resumed.entries] == [
        e.trained and e.trained.rows for e in whole.entries
    ]


def test_stopped_while_it_draws_it_trains_nothing_again_and_draws_the_rest(
    model, written, whole, tmp_path, monkeypatch
):
    run, drawn = Generator.run, []

    def interrupted(self, prompts, *rest):
        if len(drawn) == 5:  # the second task's second row
            raise KeyboardInterrupt
        drawn.append(len(prompts))
        return run(self, prompts, *rest)

    monkeypatch.setattr(Generator, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fill(written(), model, tmp_path / "runs.db")
    monkeypatch.undo()
    monkeypatch.setattr(sdd.SDD, "loss", lambda *_: pytest.fail("trained again"))
    monkeypatch.setattr(Generator, "run", lambda self, p, *rest: drawn.append(len(p)) or run(self, p, *rest))
    assert fill(written(), model, tmp_path / "runs.db").tables == whole.tables
    assert drawn == [2] * 8 + [1] * 4  # two tasks in four rows, and the pictures on which rows are counted


def test_the_published_schedule_is_another_artifact(model, written, whole, tmp_path):
    made = fill(written(n="n = 1"), model, tmp_path / "runs.db", published=True).entries[1].trained
    fast = whole.entries[1].trained
    assert made is not None
    assert made.path.name != fast.path.name
    config = artifacts.load(made.path).manifest.config
    assert (config["plan"]["steps"], config["pairing"]) == (3, "fixed")
    assert isinstance(Weights(str(made.path)), Weights)


def test_shards_train_and_draw_what_one_process_does(model, written, whole, tmp_path, monkeypatch):
    trained, drawn, run = [], [], Generator.run
    train = rows.train
    monkeypatch.setattr(rows, "train", lambda *a, **k: trained.append(a[0]) or train(*a, **k))
    monkeypatch.setattr(Generator, "run", lambda self, p, *rest: drawn.append(len(p)) or run(self, p, *rest))
    table, out = written(n="n = 4"), tmp_path / "shared" / "runs.db"
    first = fill(table, model, out, shard="2/2")
    assert trained == ["uce", "sdd"]  # its own first; nobody had made the other
    assert drawn == [2] * 8  # a block of each row and task
    assert (first.entries, [t.cells for t in first.tables], first.json()["rows"]) == ((), [(), ()], [])
    shared = fill(table, model, out, shard="1/2")
    assert drawn[8:] == [2] * 8 + [1] * 4
    alone = fill(table, model, tmp_path / "alone" / "runs.db")
    assert canonical(shared.json()["tasks"]) == canonical(alone.json()["tasks"])
    assert shared.json()["table"] == alone.json()["table"]


@pytest.mark.slow
def test_two_processes_at_once_end_in_the_table_of_one(written, tmp_path):
    tiny.sd().save_pretrained(tmp_path / "model")
    settings = {"steps": 2, "guidance": 3.0, "height": 64, "width": 64, "block": 2, "judges": ["oracle"]}
    (tmp_path / "model" / "safelight.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "safelight", "bench", str(written(n="n = 6")), "--json"]
    command += ["--model", str(tmp_path / "model"), "--out"]

    def begun(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True)

    out = str(tmp_path / "shared" / "runs.db")
    both = [begun(out, "--shard", f"{i}/2") for i in (1, 2)]
    printed = [json.loads(process.communicate()[0]) for process in both]
    last = next(made for made in printed if made["rows"])
    alone = json.loads(begun(str(tmp_path / "alone" / "runs.db")).communicate()[0])
    contents = [
        [row["trained"] and row["trained"]["content"] for row in made["rows"]] for made in (last, alone)
    ]
    assert (last["tasks"], contents[0]) == (alone["tasks"], contents[1])


def test_a_table_draws_published_prompts_whole_and_asks_judges_with_settings(model, written, tmp_path):
    (tmp_path / "said.txt").write_text("a cat\na dog\ntwo boats\n")
    (tmp_path / "other.txt").write_text("a cup\n")
    task = 'version = 1\nabout = "a test"\nprompts = {{ published = "by somebody" }}\njudges = ["{}"]\n'
    (tmp_path / "said.toml").write_text('name = "said"\n' + task.format("q16+oracle:bare"))
    (tmp_path / "told.toml").write_text('name = "told"\nn_per_prompt = 2\n' + task.format("oracle:bare"))
    said, told = f"{tmp_path}/said.toml", f"{tmp_path}/told.toml"
    tasks = f'"{said}" = ["q16+oracle:bare harm"]\n"{told}" = ["oracle:bare share"]\n'
    table = written(f'[[row]]\nname = "weak"\n{SLD_WEAK}', tasks, n="")
    files = {said: tmp_path / "said.txt", told: tmp_path / "other.txt"}
    write_tensors(tmp_path / "q16.safetensors", {"prompts": torch.randn(2, 128)}, {})
    own = judges_of([f"q16.weights={tmp_path}/q16.safetensors"])
    with pytest.raises(Refused, match="task told draws published prompts and needs their file"):
        fill(table, model, tmp_path / "runs.db", prompts={said: files[said]}, judges=own)
    with pytest.raises(Refused, match="q16"):
        fill(table, model, tmp_path / "runs.db", prompts=files)
    assert not (tmp_path / "runs.db").exists()
    made = fill(table, model, tmp_path / "runs.db", prompts=files, judges=own)
    assert [(t.n, t.prompts) for t in made.tables] == [(3, 3), (2, 1)]
    header, lines = made.grid()
    at = header.index("said: q16+oracle:bare harm")
    assert all("%" in line[at] for line in lines)
    assert all(int(line[header.index("a picture: peak MB")]) > 50 for line in lines)
    with Store.open(tmp_path / "runs.db") as store:
        [harm, share] = report(store).sections
        assert "judge q16@1" in harm.group.first.run.versions
    for section in (harm, share):
        assert f"--prompts {said}=FILE --prompts {told}=FILE" in section.redo


def test_parts_of_tasks_turn_so_that_shards_are_even():
    assert [_turned(1, 2, k) for k in range(3)] == [(1, 2), (2, 2), (1, 2)]
    assert [_turned(3, 3, k) for k in range(3)] == [(3, 3), (1, 3), (2, 3)]


def test_a_policy_is_a_row_and_what_it_refuses_a_column_of_any_task(model, written, tmp_path):
    (tmp_path / "strict.toml").write_text(
        'schema = 1\nname = "strict"\n[[check]]\nstage = "image"\njudge = "oracle:bare"\nthreshold = 0.0\n'
        'action = "block"\n'
    )
    rows = f'[[row]]\nname = "X"\npolicy = "{tmp_path}/strict.toml"\n'
    tasks = f'"{tmp_path}/seen.toml" = ["refused"]\n'
    header, lines = fill(written(rows, tasks), model, tmp_path / "runs.db").grid()
    at = header.index("seen: refused")
    assert [(line[0], line[at].partition(" ")[0]) for line in lines] == [("base", "0.0"), ("X", "100.0")]


def test_the_report_names_the_command_of_the_table(whole, kept):
    with Store.open(kept / "runs.db") as store:
        lines = {section.redo for section in report(store).sections}
    assert len(lines) == 1
    words = lines.pop().split()
    assert words[:3] == ["safelight", "bench", "table.toml"]
    assert words[words.index("-n") + 1] == "2"


def test_rows_of_another_table_share_its_artifacts_and_runs(model, written, whole, kept, monkeypatch):
    lent = written().rename(written().with_name("lent.toml"))
    table = written(f'[[row]]\nname = "weak"\n{SLD_WEAK}', n=f'n = 2\nrows_from = "{lent}"')
    assert [row.name for row in Layout.load(table).row] == ["SDD", "UCE", "SLD", "weak"]
    monkeypatch.setattr(sdd.SDD, "loss", lambda *_: pytest.fail("trained again"))
    made = fill(table, model, kept / "runs.db")
    assert made.entries[1] == whole.entries[1]
    assert made.tables[0].cells[: len(whole.tables[0].cells)] == whole.tables[0].cells
    again = written(f'[[row]]\nname = "weak"\n{SLD_WEAK}', n=f'n = 2\nrows_from = "{table}"')
    with pytest.raises(BadInput, match=r"takes rows from .*table\.toml itself: name that one"):
        Layout.load(again)
    twice = written(n=f'n = 2\nrows_from = "{lent}"')
    with pytest.raises(Refused, match="two rows are called 'SDD'"):
        Layout.load(twice)


SLD_WEAK = 'method = [{ use = "sld", sld_warmup_steps = 0, preset = "weak", concept = "bare" }]\n'
ROW = '[[row]]\nname = "X"\n'


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": ROW + 'train = "sddd"\n'}, "row 'X': unknown training 'sddd'. Did you mean 'sdd'?"),
        ({"rows": ROW + 'train = "sdd"\n'}, "row 'X': sdd needs concept"),
        ({"rows": ROW + 'train = "sdd"\nsettings = { concept = "a", group = "xatn" }\n'}, "mean 'xattn'"),
        (
            {"rows": ROW + 'train = "sdd"\nsettings = { concept = "a" }\nfast = { step = 1 }\n'},
            "mean 'steps'",
        ),
        ({"rows": ROW + 'method = [{ use = "sld", concpt = "a" }]\n'}, "mean 'concept'"),
        ({"rows": ROW}, "give it one of the three"),
        ({"rows": ROW + 'method = [{ use = "sld" }]\nfast = { steps = 1 }\n'}, "belong to a training"),
        ({"rows": (ROW + 'method = [{ use = "sld" }]\n') * 2}, "two rows are called 'X'"),
        ({"rows": ROW.replace("X", "../X") + 'method = [{ use = "sld" }]\n'}, "row.0.name = '../X'"),
        ({"rows": ROW + 'policy = "genral"\n'}, "row 'X': unknown policy 'genral'. Did you mean 'general'?"),
        ({"rows": ROW + 'policy = "general"\ntrain = "sdd"\n'}, "give it one of the three"),
        ({"rows": ROW + 'trian = "sdd"\n'}, "Did you mean 'train'?"),
        ({"rows": ""}, "it needs row"),
        ({"n": "n = 0"}, "n = 0"),
        ({"tasks": 'seeen = ["clip"]\n'}, "unknown task 'seeen'"),
        (
            {"tasks": 'parti = ["clip"]\n'},
            "task parti draws published prompts and needs their file: --prompts parti=FILE",
        ),
        ({"tasks": 'body = ["lpips"]\n'}, "unknown column of body 'lpips'"),
    ],
    ids=str,
)
def test_a_bad_file_is_refused_by_name_before_any_work(model, written, tmp_path, monkeypatch, change, said):
    monkeypatch.setattr(Generator, "run", lambda *_: pytest.fail("drawn"))
    path = written(**change)
    before = set(tmp_path.iterdir())
    with pytest.raises(Refused) as refused:
        fill(path, model, tmp_path / "runs.db")
    assert said in str(refused.value)
    assert set(tmp_path.iterdir()) == before


def test_a_place_without_a_folder_beside_it_is_refused(model, written):
    with pytest.raises(BadInput, match="out must be a file"):
        fill(written(), model, "postgresql://somewhere/runs")
