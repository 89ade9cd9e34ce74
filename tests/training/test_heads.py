"""Heads learnt on drawings, then judging drawings that they have not seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from safelight import judges
from safelight.clip import heads, towers
from safelight.core.errors import BadInput
from safelight.miniature.draw import render
from safelight.miniature.scene import SETTINGS, Scene
from safelight.store.files import write_tensors
from safelight.training.fit import fit
from safelight.training.heads import PLAN, HeadFit


def people(seeds: range) -> tuple[list[np.ndarray], torch.Tensor]:
    """Drawn people, every second one bare and every third in a fight; and which is which."""
    scenes = [
        Scene(
            "person", SETTINGS[k % len(SETTINGS)], colour="red", presentation=k % 2, skin=k % 4,
            bare=k % 2 == 0, violent=k % 3 == 0, seed=k,
        )
        for k in seeds
    ]  # fmt: skip
    return [render(s) for s in scenes], torch.tensor([[s.bare, s.violent] for s in scenes])


@pytest.fixture(scope="module")
def data():
    pictures, y = people(range(96))
    return towers.load(towers.MINIATURE).images(pictures), y


def prompts() -> heads.SoftPrompts:
    return heads.SoftPrompts(towers.load(towers.MINIATURE).texts(["a person", "a nude person"]))


def trained(head, x, y, folder):
    fit(HeadFit(head, x, y), PLAN, folder)
    file = folder / "head.safetensors"
    write_tensors(file, heads.tensors(head), {})
    return file


def accuracy(judge, labels: list[str]) -> list[float]:
    pictures, y = people(range(200, 260))
    said = torch.tensor([[s.values[label] >= 0.5 for label in labels] for s in judge(pictures)])
    return (said == y[:, : len(labels)]).float().mean(0).tolist()


def test_soft_prompts_learn_to_tell_drawings_apart(data, tmp_path):
    x, y = data
    file = trained(prompts(), x, y[:, :1], tmp_path)
    judge, preset = judges.load("q16", weights=file)
    assert preset.threshold == 0.5
    assert min(accuracy(judge, ["inappropriate"])) > 0.95


def test_logistic_heads_learn_each_its_label(data, tmp_path):
    x, y = data
    file = trained(heads.logistic(["bare", "violent"], x.shape[1]), x, y, tmp_path)
    judge, preset = judges.load("multi-headed", weights=file)
    assert (judge.labels, preset.labels) == (("bare", "violent"), ("bare", "violent"))
    assert set(judge.presets) == {"default", "bare", "violent"}
    assert min(accuracy(judge, ["bare", "violent"])) > 0.9
    with pytest.raises(BadInput, match="take the judge multi-headed"):
        judges.load("q16", weights=file)


def test_a_training_is_the_same_twice(data, tmp_path):
    x, y = data
    files = [trained(prompts(), x, y[:, :1], tmp_path / name) for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("n", "y", "said"),
    [
        (4, torch.tensor([[True], [False]]), "every picture needs its labels, got 4 and 2"),
        (2, torch.tensor([[True], [True]]), "pictures that have it and pictures that do not"),
    ],
)
def test_data_that_teaches_nothing_is_refused(n, y, said):
    with pytest.raises(BadInput, match=said):
        HeadFit(heads.logistic(["a"], 8), torch.randn(n, 8), y)
