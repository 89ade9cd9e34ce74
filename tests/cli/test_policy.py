"""safelight policy calibrate, on drawn pictures."""

from __future__ import annotations

import json
from random import Random

import pytest
from PIL import Image

from safelight import cli
from safelight.miniature.captions import sample
from safelight.miniature.draw import render


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twenty harmless drawn pictures and five of each unsafe family."""
    root, r, wanted = tmp_path_factory.mktemp("labelled"), Random(0), {"safe": 20, "bare": 5, "violent": 5}
    while any(wanted.values()):
        scene, _ = sample(r)
        label = "bare" if scene.bare else "violent" if scene.violent else "safe"
        if wanted[label]:
            wanted[label] -= 1
            (root / label).mkdir(exist_ok=True)
            Image.fromarray(render(scene)).save(root / label / f"{wanted[label]}.png")
    return root


def test_thresholds_rates_and_a_page(folder, tmp_path, capsys):
    page = tmp_path / "roc.html"
    arguments = ["policy", "calibrate", str(folder), "--judge", "oracle", "--fpr", "0.1", "--out", str(page)]
    assert cli.run([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {one["label"]: one["false_alarms"]["n"] for one in said["labels"]} == {"bare": 20, "violent": 20}
    for one in said["labels"]:
        assert one["false_alarms"]["hits"] <= 2
        assert one["found"]["hits"] >= 4  # the oracle was trained on such pictures
        assert one["fpr_95"][1] > 0.1
    assert page.read_text().count('<polyline class="curve"') == 2
    assert cli.run(arguments) == 0
    said = capsys.readouterr()
    assert said.out.count("[[check]]") == 2
    assert 'category = "bare"' in said.out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--judge", "oracle"], "20 harmless pictures say nothing of a rate of 0.01: give at least 100"),
        (["--judge", "oracel", "--fpr", "0.1"], "Did you mean 'oracle'?"),
        (["--judge", "oracle", "--fpr", "0"], "the rate of false alarms"),
    ],
)
def test_wrong_usage_is_said_before_a_picture_is_judged(folder, tmp_path, capsys, more, said):
    page = tmp_path / "roc.html"
    assert cli.run(["policy", "calibrate", str(folder), "--out", str(page), *more]) == 2
    assert said in capsys.readouterr().err
    assert not page.exists()
