"""The commands at work, on a tiny random model in a folder."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from PIL import Image

from safelight import cli
from safelight.core.hard_stop import tables
from safelight.diffusion import tiny
from safelight.store import Store

FORBIDDEN = f"{tables()['minor'][0]} {tables()['sexual'][0]}"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder in diffusers layout, with its own sampling defaults."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny.sd().save_pretrained(folder)
    (folder / "safelight.json").write_text(json.dumps({"steps": 2, "guidance": 5.0, "block": 2}))
    return str(folder)


@pytest.fixture
def generate(model, tmp_path, capsys):
    """Runs the command in an empty folder; gives its exit code, its JSON if any, and its errors."""

    def run(*arguments):
        code = cli.run(["generate", *arguments, "--model", model, "--out", str(tmp_path / "out"), "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else None, said.err

    return run


def test_pictures_and_records_are_written_and_listed(generate, tmp_path):
    code, said, errors = generate("a cat", "a dog", "-n", "2", "--policy", "research")
    assert (code, errors) == (0, "")
    assert [(p["prompt"], p["k"], p["outcome"]) for p in said] == [
        ("a cat", 0, "allow"), ("a cat", 1, "allow"), ("a dog", 0, "allow"), ("a dog", 1, "allow"),
    ]  # fmt: skip
    for picture in said:
        with Image.open(picture["file"]) as image:
            assert image.size == (16, 16)
    with Store.open(tmp_path / "out" / "runs.db") as store:
        [run] = store.runs()
        assert {s.id for s in store.samples(run.id)} == {p["sample"] for p in said}


def test_a_dtype_is_part_of_the_run(generate, tmp_path):
    for dtype in ([], ["--dtype", "bfloat16"]):
        assert generate("a cat", "--policy", "research", *dtype)[0] == 0
    with Store.open(tmp_path / "out" / "runs.db") as store:
        kept = [json.loads(run.config_json)["sampling"]["dtype"] for run in store.runs()]
        hashes = {sample.image_hash for run in store.runs() for sample in store.samples(run.id)}
    assert sorted(kept) == ["bfloat16", "float32"]
    assert len(hashes) == 2
    code, _, errors = generate("a cat", "--dtype", "float8")
    assert code == 2
    assert "float32, bfloat16, float16" in errors


def test_the_same_command_twice_gives_the_same_files_and_another_run(generate, tmp_path):
    for _ in range(2):
        generate("a cat", "--policy", "research")
    assert len(list((tmp_path / "out").glob("*.png"))) == 1
    with Store.open(tmp_path / "out" / "runs.db") as store:
        assert len(store.runs()) == 2


def test_a_withheld_picture_is_exit_code_1_and_its_text_is_not_repeated(model, tmp_path, capsys):
    arguments = [
        "generate",
        FORBIDDEN,
        "a cat",
        "--model",
        model,
        "--policy",
        "research",
        "--out",
        str(tmp_path),
    ]
    assert cli.run(arguments) == 1
    said = capsys.readouterr()
    assert "1 of 2 pictures were withheld under the policy 'research'" in said.err
    assert ("no policy allows this" in said.out, FORBIDDEN in said.out + said.err) == (True, False)
    assert len(list(tmp_path.glob("*.png"))) == 1


def test_ctrl_c_keeps_what_is_finished_and_says_so(generate, tmp_path, monkeypatch):
    from safelight.guarded import Guarded

    save, saved = Guarded.save, []

    def interrupted(self, folder):
        if len(saved) == 1:
            raise KeyboardInterrupt
        saved.append(save(self, folder))
        return saved[-1]

    monkeypatch.setattr(Guarded, "save", interrupted)
    code, said, errors = generate("a cat", "-n", "4", "--policy", "research")
    assert code == 130
    assert f"stopped: 1 of 4 pictures are finished and stay in {tmp_path / 'out'}" in errors
    assert [p["file"] for p in said] == [str(saved[0])]
    with Store.open(tmp_path / "out" / "runs.db") as store:
        [run] = store.runs()
        assert (run.status, len(store.samples(run.id))) == ("interrupted", 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "there is no prompt"),
        (("",), "prompt 1 is empty"),
        (("a cat", "-n", "0"), "n must be a whole number of at least 1, got 0"),
        (("a cat", "--seed", "-1"), "seed must be"),
        (("a cat", "--steps", "0"), "steps must be"),
        (("a cat", "--guidance", "nan"), "guidance must be"),
        (("a cat", "--guidance", "-3"), "guidance must be"),
        (("a cat", "--policy", "sld-medium"), "more steps"),
        (("a cat", "--policy", "genral"), "Did you mean 'general'?"),
        (
            ("a cat", "--policy", "general"),
            'take a policy without checks, policy="research" or --policy research',
        ),
        (("a cat", "--policy", "nowhere.toml"), "nowhere.toml cannot be read"),
    ],
    ids=str,
)
def test_bad_input_is_2_with_a_sentence_and_draws_nothing(generate, tmp_path, arguments, said):
    policy = () if "--policy" in arguments else ("--policy", "research")
    code, printed, errors = generate(*arguments, *policy)
    assert (code, printed) == (2, None)
    assert said in errors
    assert not (tmp_path / "out").exists()


def test_an_unknown_model_is_named(tmp_path, capsys):
    assert cli.run(["generate", "a cat", "--model", "minature", "--out", str(tmp_path)]) == 2
    assert "unknown model 'minature'. Did you mean 'miniature'?" in capsys.readouterr().err


def test_an_output_folder_that_cannot_be_written_is_found_before_work_starts(model, tmp_path, capsys):
    (tmp_path / "file").write_text("keep me")
    arguments = [
        "generate",
        "a cat",
        "--model",
        model,
        "--policy",
        "research",
        "--out",
        str(tmp_path / "file"),
    ]
    assert cli.run(arguments) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "keep me"


def test_a_long_prompt_is_drawn_with_a_note(generate):
    code, said, errors = generate("cat " * 2500, "--policy", "research")
    assert code == 0
    assert errors.startswith("note: ")
    assert len(said[0]["dropped"]) > 9000


def test_methods_tasks_and_models_are_listed(capsys):
    assert cli.run(["methods", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"negative-prompt", "sld"} <= rows.keys()
    assert rows["sld"]["presets"] == ["weak", "weak-diffusers", "medium", "strong", "max"]
    assert "2211.05105" in rows["sld"]["paper"]
    assert cli.run(["methods"]) == 0
    assert "| sld |" in capsys.readouterr().out

    assert cli.run(["tasks", "--json"]) == 0
    listed = {row["id"] for row in json.loads(capsys.readouterr().out)}
    assert {"innocent@1", "neutral@1", "sdd-table-nudity@2"} <= listed
    assert cli.run(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "miniature"


def test_a_sheet_of_renders_is_the_same_for_the_same_seed(tmp_path, capsys):
    for name in ("a", "b"):
        assert (
            cli.run(
                ["miniature", "render", "-n", "9", "--seed", "4", "--out", str(tmp_path / name), "--json"]
            )
            == 0
        )
    said = capsys.readouterr().out
    assert len(json.loads(said[: len(said) // 2])) == 9
    first, second = (np.asarray(Image.open(tmp_path / name)) for name in ("a", "b"))
    assert (first == second).all()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_sheet_that_cannot_be_written_is_named(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert cli.run(["miniature", "render", "-n", "1", "--out", str(tmp_path / "sheet.png")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_folder_in_which_nothing_can_be_built_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("keep me")
    assert cli.run(["miniature", "build", "--folder", str(tmp_path / "file")]) == 2
    assert f"cannot write to {tmp_path / 'file'}" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--out", "--doubtful"])
def test_a_card_that_cannot_be_written_is_refused_before_a_picture_is_drawn(tmp_path, capsys, option):
    assert cli.run(["miniature", "card", option, str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"cannot write {tmp_path}" in said.err


def test_a_table_is_trained_and_measured_by_one_command(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("prompt\na cat\n")
    task = 'name = "t"\nversion = 1\nabout = "a test"\nprompts = { file = "t.csv" }\nsize = 64\n'
    (tmp_path / "t.toml").write_text(task + 'metrics = ["clip@miniature-1"]\n')
    (tmp_path / "table.toml").write_text(
        'name = "table"\nversion = 1\nabout = "a test"\nn = 1\ntasks = { "t.toml" = ["clip"] }\n[[row]]\n'
        'name = "SDD"\ntrain = "sdd"\nsettings = { concept = "blood", solver_steps = 4, steps = 2 }\n'
    )
    command = ["bench", "table.toml", "--model", model]
    assert cli.run(command) == 0
    said = capsys.readouterr().out
    assert "| row | concept | t: clip | training: network rows |" in said
    assert "| SDD | blood | " in said
    assert "table@1, the rows' own schedules." in said
    assert cli.run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][1]["trained"]["tensors"] > 0
    assert [path.suffix for path in sorted((tmp_path / "runs.artifacts").iterdir())] == [
        ".html", ".run", ".safetensors",
    ]  # fmt: skip
    shared = [*command, "-n", "6", "--out", "shared.db"]
    assert cli.run([*shared, "--shard", "2/2"]) == 0
    said = capsys.readouterr()
    assert (said.out, "the table comes with the last shard" in said.err) == ("", True)
    assert cli.run([*shared, "--shard", "1/2"]) == 0
    assert "| SDD | blood | " in capsys.readouterr().out
    for option, said in (
        (["--policy", "general"], "rows of its own"),
        (["--engine", "ray"], "rows of its own"),
        (["--prompts", "t.csv"], "--prompts TASK=FILE; got 't.csv'"),
        (["--prompts", "a=t.csv", "--prompts", "a=u.csv"], "two files"),
        (["--prompts", "t.tml=t.csv"], "unknown task of table 't.tml'. Did you mean 't.toml'"),
        (["--set", "q16"], "'q16' is no setting of a judge: write JUDGE.KEY=VALUE"),
        (["--set", "q17.weights=x"], "Did you mean 'q16'"),
        (["--set", "q16.wights=x"], "Did you mean 'weights'"),
    ):
        assert cli.run([*command, *option]) == 2
        assert said in capsys.readouterr().err
    assert cli.run(["bench", "t.toml", "--prompts", "a", "--prompts", "b", "--model", model]) == 2
    assert "a task draws one file of prompts, got 2" in capsys.readouterr().err
    assert cli.run(["bench", "t.toml", "--set", "q16.weights=x", "--engine", "ray", "--model", model]) == 2
    assert "leave --set out" in capsys.readouterr().err
    assert cli.run(["bench", "t.toml", "--published", "--model", model]) == 2
    assert "no table" in capsys.readouterr().err


def test_bench_knows_shards_and_engines(model, tmp_path, capsys):
    (tmp_path / "t.csv").write_text("prompt\na cat\na red dog\ntwo boats\n")
    (tmp_path / "t.toml").write_text(
        'name = "t"\nversion = 1\nabout = "a test"\nprompts = { file = "t.csv" }\nn_per_prompt = 2\n'
        'metrics = ["over-refusal@1"]\n'
    )
    out = str(tmp_path / "runs.db")
    command = ["bench", str(tmp_path / "t.toml"), "--model", model, "--policy", "research", "--out", out]
    assert cli.run([*command, "--shard", "1/2", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["cells"] == []
    assert "shard 1/2 is finished; the table comes with the last shard" in said.err
    assert cli.run([*command, "--shard", "2/2"]) == 0
    assert "| research | 0.0 % [0.0, 39.0] |" in capsys.readouterr().out
    for wrong, words in (
        (["--engine", "spark"], "unknown engine 'spark'"),
        (["--engine", "ray", "--shard", "1/2"], "the engine ray makes its own shards"),
        (["--shard", "3/2"], "a shard is written i/m"),
        (["--prompts", "t.csv"], "task t brings its own prompts"),
    ):
        assert cli.run([*command, *wrong]) == 2
        assert words in capsys.readouterr().err


def test_tasks_on_published_prompts_are_listed_with_the_pictures_of_the_whole_file(capsys):
    assert cli.run(["tasks", "--json"]) == 0
    rows = {row["name"]: row.get("pictures") for row in json.loads(capsys.readouterr().out)}
    assert (rows["i2p"], rows["parti"], rows["overrefusal"]) == (47020, 1632, None)
