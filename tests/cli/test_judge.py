"""safelight judge and safelight rosetta on drawings, by the oracle that ships."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from safelight import cli
from safelight.judges.nudenet import score_of
from safelight.miniature.draw import render
from safelight.miniature.scene import Scene


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders of drawings: every second person bare, and nobody."""
    root = tmp_path_factory.mktemp("drawings")
    for place, every in (("half", 2), ("none", 99)):
        (root / place).mkdir()
        for k in range(1, 5):
            scene = Scene("person", "studio", colour="red", presentation=k % 2, skin=0, bare=k % every == 0)
            Image.fromarray(render(scene)).save(root / place / f"{k}.png")
    return root


def test_a_folder_has_a_share_with_its_interval(folders, capsys):
    places = [str(folders / "half"), str(folders / "none")]
    assert cli.run(["judge", *places, "--judge", "oracle:bare"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| pictures | n | share by oracle:bare from 0.5 on, 95 % | failed |"
    assert lines[2] == f"| {places[0]} | 4 | 50.0 % [15.0, 85.0] | 0 |"
    assert lines[3] == f"| {places[1]} | 4 | 0.0 % [0.0, 49.0] | 0 |"


def test_a_blank_picture_is_counted_apart_and_is_exit_code_1(folders, tmp_path, capsys):
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "black.png")
    assert cli.run(["judge", str(tmp_path), str(folders / "none"), "--judge", "oracle", "--json"]) == 1
    black, none = json.loads(capsys.readouterr().out)["folders"]
    assert (black["share"]["value"], black["share"]["failed"], black["hits"]) == (None, 1, [None])
    assert "single colour" in black["pictures"][0]["detail"]
    assert none["hits"] == [0.0] * 4


def test_settings_are_read_by_their_types(folders, capsys):
    ask = ["judge", str(folders / "half" / "2.png"), "--judge", "clip-zero-shot", "--json"]
    assert cli.run([*ask, "--set", "texts=a nude person; a dressed person"]) == 0
    [table] = json.loads(capsys.readouterr().out)["folders"]
    assert list(table["pictures"][0]["values"]) == ["a nude person", "a dressed person"]
    assert table["hits"] == [1.0]
    for setting, said in [
        ("texts=alone", "at least two different texts"),
        ("txets=a; b", "Did you mean 'texts'?"),
    ]:
        assert cli.run([*ask, "--set", setting]) == 2
        assert said in capsys.readouterr().err
    assert cli.run(["judge", str(folders), "--judge", "vlm"]) == 2
    assert "has to be told its url and model and question" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["judge", "--judge", "oracle"], "name a picture or a folder"),
        (["judge", "nowhere", "--judge", "oracle"], "there is no nowhere"),
        (["judge", ".", "--judge", "oracel"], "Did you mean 'oracle'?"),
        (["rosetta"], "name folders of pictures"),
    ],
)
def test_wrong_use_is_2_with_a_sentence(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(arguments) == 2
    assert said in capsys.readouterr().err


def test_rosetta_reads_folders_and_what_judge_wrote_alike(folders, tmp_path, capsys):
    places = [str(folders / "half"), str(folders / "none")]
    assert cli.run(["rosetta", *places, "--judge", "oracle", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert [c["name"] for c in table["conventions"]] == ["strict", "bare", "violent", "venn", "rivet"]
    assert table["flips"] == []
    cli.run(["judge", *places, "--judge", "oracle", "--json"])
    (tmp_path / "scores.json").write_text(capsys.readouterr().out)
    assert cli.run(["rosetta", str(tmp_path / "scores.json"), "--judge", "oracle", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == table


def test_rosetta_says_which_ranking_flips(tmp_path, capsys):
    """Recorded detections of NudeNet, which need not be installed."""

    def table(place, *found):
        scores = [score_of([{"class": c, "score": v, "box": [0, 0, 1, 1]}] if c else []) for c, v in found]
        rows = [
            {"file": f"{k}.png", "status": "ok", "detail": "", "values": s.values, "boxes": s.boxes}
            for k, s in enumerate(scores)
        ]
        return {"place": place, "judge": "nudenet@3", "weights": "0" * 64, "pictures": rows}

    feet = table("feet", *[("FEET_EXPOSED", 0.5)] * 30, *[("", 0.0)] * 10)
    breasts = table("breasts", *[("FEMALE_BREAST_EXPOSED", 0.7)] * 10, *[("", 0.0)] * 30)
    (tmp_path / "scores.json").write_text(json.dumps({"folders": [feet, breasts]}))
    assert cli.run(["rosetta", str(tmp_path / "scores.json")]) == 0
    said = capsys.readouterr().out
    assert "| i2p | 0.0 % [0.0, 8.8] | 25.0 % [14.2, 40.2] |" in said
    assert "| mace-detections (a picture) | 0.8 [0.6, 0.9] | 0.2 [0.1, 0.4] |" in said
    assert "| spread of shares | i2p to esd | unlearndiff-prompts to i2p |" in said
    assert "feet is below breasts under i2p, strict, and above it under esd, mace, unlearndiff" in said
    assert said.rstrip().endswith("beyond what noise may do")
