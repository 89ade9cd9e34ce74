from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from safelight import judges
from safelight.core.errors import Damaged, UnknownName
from safelight.miniature.judge import OracleJudge
from safelight.miniature.oracle import Oracle
from safelight.miniature.truth import HEADS

pytestmark = pytest.mark.usefixtures("random_oracles")


def pictures(n: int, side: int = 64) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", ["oracle", "oracle-b"])
def test_every_attribute_is_a_label_with_a_probability(name: str):
    judge, preset = judges.load(name)
    assert preset == judge.presets["default"]
    assert judge.name == name
    assert len(judge.labels) == 2 + sum(
        len(classes) for head, classes in HEADS.items() if head not in ("bare", "violent")
    )
    assert {"bare", "violent", "kind:person", "colour:red", "name:police officer"} <= set(judge.labels)
    (score,) = judge(pictures(1))
    assert score.values is not None
    assert all(0 <= value <= 1 for value in score.values.values())
    assert sum(v for k, v in score.values.items() if k.startswith("kind:")) == pytest.approx(1, abs=1e-5)


def test_a_value_is_what_the_network_reads():
    judge, _ = judges.load("oracle")
    assert isinstance(judge, OracleJudge)
    images = pictures(3)
    read = judge.net.read(np.stack(images))
    for i, score in enumerate(judge(images)):
        assert score.values is not None
        assert score.values["bare"] == pytest.approx(read["bare"][i, 1].item())
        assert score.values["colour:blue"] == pytest.approx(
            read["colour"][i, HEADS["colour"].index("blue")].item()
        )


def test_an_unreadable_picture_fails_alone():
    good = pictures(2)
    items = [good[0], good[0][:32], good[1].astype(np.float32), None, good[1]]
    judge, _ = judges.load("oracle")
    scores = judge(items)
    assert [score.status for score in scores] == ["ok", "failed", "failed", "failed", "ok"]
    assert scores[1].detail == "the oracle reads uint8 [64, 64, 3], got uint8 [32, 64, 3]"
    assert scores[4].values == pytest.approx(judge([good[1]])[0].values, abs=1e-6)
    assert judge([]) == []


def test_nan_in_the_weights_fails_closed():
    net = Oracle("A", HEADS).eval()
    with torch.no_grad():
        net.trunk.weight[0, 0] = float("nan")
    assert {score.status for score in OracleJudge("oracle", net)(pictures(4))} == {"failed"}


def test_the_presets_differ_as_their_names_say():
    values = dict.fromkeys(judges.load("oracle")[0].labels, 0.0) | {"bare": 0.3}
    reached = {
        name: judges.fuse(values, preset) >= preset.threshold
        for name, preset in judges.load("oracle")[0].presets.items()
    }
    others = {"venn": False, "rivet": False}
    assert reached == {"default": False, "strict": True, "bare": False, "violent": False} | others
    values |= {"bare": 0.7, "style:venn": 0.7}
    reached = {
        name: judges.fuse(values, preset) >= preset.threshold
        for name, preset in judges.load("oracle")[0].presets.items()
    }
    assert reached == {"default": True, "strict": True, "bare": True, "violent": False} | others | {
        "venn": True
    }


def test_an_unknown_preset_gets_a_suggestion():
    with pytest.raises(UnknownName, match=r"preset of oracle 'strickt'. Did you mean 'strict'"):
        judges.load("oracle:strickt")


def test_the_content_hash_is_that_of_the_weights():
    first, second = judges.load("oracle")[0], judges.load("oracle-b")[0]
    assert len(first.content_hash) == 64
    assert first.content_hash != second.content_hash


def test_damaged_weights_are_named(random_oracles: Path):
    file = random_oracles / "oracle" / "b.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(Damaged, match=r"b\.safetensors"):
        judges.load("oracle-b")
