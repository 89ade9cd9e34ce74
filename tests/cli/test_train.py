"""safelight train and safelight export, on a tiny random model in a folder."""

from __future__ import annotations

import json

import pytest

from safelight import cli
from safelight.diffusion import tiny
from safelight.training import sdd

SET = [word for text in ("concept=blood", "steps=2", "solver_steps=4") for word in ("--set", text)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny.sd().save_pretrained(folder)
    (folder / "safelight.json").write_text(json.dumps({"steps": 2, "guidance": 5.0}))
    return str(folder)


def test_from_a_concept_to_a_folder_and_a_lora(model, tmp_path, capsys):
    out = str(tmp_path / "sdd.safetensors")
    train = ["train", "sdd", "--model", model, *SET, "--samples", "blood", "--every", "1", "--out", out]
    assert cli.run([*train, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["path"] == out
    assert cli.run(train) == 0  # done already: the same once more
    err = capsys.readouterr().err
    assert f"{said['tensors']} tensors, sha256 {said['content'][:16]}" in err
    export = ["export", out, "--model", model, "--out"]
    assert cli.run([*export, str(tmp_path / "full")]) == 0
    assert cli.run([*export, str(tmp_path / "lora"), "--lora", "2"]) == 0
    assert "of the change it misses" in capsys.readouterr().err
    assert cli.run([*export, str(tmp_path / "lora")]) == 2


def test_ctrl_c_says_how_to_go_on(model, tmp_path, capsys, monkeypatch):
    def interrupted(self, batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(sdd.SDD, "loss", interrupted)
    arguments = ["train", "sdd", "--model", model, *SET, "--out", str(tmp_path / "sdd.safetensors")]
    assert cli.run(arguments) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_is_1(model, tmp_path, capsys, monkeypatch):
    loss = sdd.SDD.loss
    monkeypatch.setattr(sdd.SDD, "loss", lambda self, batch: {"loss": loss(self, batch)["loss"] / 0})
    arguments = ["train", "sdd", "--model", model, *SET, "--out", str(tmp_path / "sdd.safetensors")]
    assert cli.run(arguments) == 1
    assert "the loss of step 0 is not finite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sddd"], "Did you mean 'sdd'?"),
        (["sdd", "--set", "concpt=x"], "Did you mean 'concept'?"),
        (["sdd"], "sdd needs concept; its settings are lora, concept, group"),
        (["sdd", *SET, "--every", "0"], "every must be"),
    ],
    ids=str,
)
def test_wrong_usage_is_2(arguments, said, tmp_path, capsys):
    assert cli.run(["train", *arguments, "--out", str(tmp_path / "x.safetensors")]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
