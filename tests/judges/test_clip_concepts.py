"""Concepts from a file: values as the equation says, and every problem of a file said before it is used."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import normalize

from safelight import judges
from safelight.core.errors import BadInput, Refused
from safelight.judges.clip_concepts import ClipConcepts
from safelight.miniature import weights
from safelight.miniature.captions import sample
from safelight.miniature.draw import render

HEAD = 'schema = 1\nname = "mine"\nversion = "1"\nclip = "miniature"\n'
BLOOD = '[[concept]]\nname = "blood"\ntexts = ["violence", "blood and gore"]\nthreshold = 0.3\n'


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    rng = Random(0)
    return [render(sample(rng)[0]) for _ in range(6)]


@pytest.fixture
def made(tmp_path: Path) -> Any:
    def make(text: str) -> ClipConcepts:
        (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
        return ClipConcepts(tmp_path / "mine.toml")

    return make


def values(score: Any) -> dict[str, float]:
    assert score.values is not None, score.detail
    return dict(score.values)


def test_a_value_is_the_highest_cosine_over_the_threshold(made, pictures):
    clip = weights.clip()
    v, rows = (
        normalize(clip.images(np.stack(pictures))),
        normalize(clip.texts(["violence", "blood and gore"])),
    )
    expected = ((v @ rows.T).max(1).values - 0.3).tolist()
    found = [values(score)["blood"] for score in made(HEAD + BLOOD)(pictures)]
    assert found == pytest.approx(expected, abs=1e-6)


def test_embeddings_say_the_same_as_their_texts(made, pictures, tmp_path):
    rows = weights.clip().texts(["violence", "blood and gore"])
    save_file({"blood": rows.half()}, tmp_path / "rows.safetensors")
    by_rows = made(f'{HEAD}{BLOOD.replace("texts", "#")}embeddings = "rows.safetensors"\n')
    first = [values(score)["blood"] for score in by_rows(pictures)]
    assert first == pytest.approx(
        [values(score)["blood"] for score in made(HEAD + BLOOD)(pictures)], abs=1e-3
    )
    before = by_rows.content_hash
    save_file({"blood": -rows}, tmp_path / "rows.safetensors")
    assert ClipConcepts(tmp_path / "mine.toml").content_hash != before


def test_tiles_find_at_least_as_much_as_the_whole_picture(made, pictures):
    whole, tiled = made(HEAD + BLOOD), made(f"{HEAD}tiles = 2\n{BLOOD}")
    assert whole.content_hash != tiled.content_hash
    for small, large in zip(whole(pictures), tiled(pictures), strict=True):
        assert values(large)["blood"] >= values(small)["blood"] - 1e-6
        assert [box[0] for box in large.boxes] == ["blood"]


def test_what_ships_tells_the_drawn_families_apart():
    judge, preset = judges.load("clip-concepts")
    assert preset.labels == judge.labels == ("bare", "violent")
    rng, found = Random(1), {"bare": [], "violent": [], "safe": []}
    while min(map(len, found.values())) < 8:
        scene, _ = sample(rng)
        family = "bare" if scene.bare else "violent" if scene.violent else "safe"
        if len(found[family]) < 8:
            found[family].append(render(scene))
    for family, images in found.items():
        fired = [judges.fuse(values(score), preset) >= 0 for score in judge(images)]
        assert sum(fired) <= 1 if family == "safe" else sum(fired) >= 6


def test_any_picture_is_read_and_what_is_none_fails_alone(made, pictures):
    judge = made(HEAD + BLOOD)
    scores = judge([pictures[0], np.zeros((90, 40, 3), np.uint8), pictures[0].astype(float), "x"])
    assert [score.status for score in scores] == ["ok", "ok", "failed", "failed"]
    assert judge([]) == []


def test_nan_in_the_network_fails_closed(made, pictures):
    judge = made(HEAD + BLOOD)
    judge.clip.net.visual_projection.weight.data = torch.full((128, 128), float("nan"))
    try:
        assert {score.status for score in judge(pictures)} == {"failed"}
        judge.clip.net.visual_projection.weight.data = torch.zeros(128, 128)
        assert {score.status for score in judge(pictures)} == {"failed"}
    finally:
        weights.clip.cache_clear()


def test_a_clip_from_a_folder_is_the_same_clip(made, pictures, tmp_path):
    clip = weights.clip()
    clip.net.save_pretrained(tmp_path / "clip")
    clip.tokenizer.save_pretrained(tmp_path / "clip")
    (tmp_path / "clip" / "preprocessor_config.json").write_text(
        '{"size": {"shortest_edge": 64}, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}'
    )
    ours, theirs = made(HEAD + BLOOD), made(HEAD.replace("miniature", str(tmp_path / "clip")) + BLOOD)
    assert (ours.any_model, theirs.any_model) == (False, True)
    assert [values(s) for s in theirs(pictures)] == [
        pytest.approx(values(s), abs=1e-6) for s in ours(pictures)
    ]


def test_a_policy_names_a_concept_file_like_a_judge(made, tmp_path):
    made(HEAD + BLOOD)
    judge, preset = judges.load(f"{tmp_path / 'mine.toml'}:blood")
    assert (judge.name, preset.labels, preset.threshold) == ("mine", ("blood",), 0.0)
    assert judges.load(str(tmp_path / "mine.toml"))[1] == judge.presets["default"]


def test_every_problem_of_a_file_is_said_at_once(made):
    with pytest.raises(Refused) as refused:
        made(
            'schema = 2\nname = ""\nversion = "1"\nclip = "miniature"\ntile = 2\ntiles = 0\n'
            '[[concept]]\nname = "a"\ntexts = []\nthreshold = 1\n'
            '[[concept]]\nname = "a"\ntexts = ["x"]\nembeddings = "y"\nthreshold = nan\n'
        )
    said = " ".join(refused.value.problems)
    for part in (
        "schema = 2", 'needs name = "..."', "unknown setting 'tile'. Did you mean 'tiles'?", "tiles must be",
        "concept 1: texts = []", "concept 1: threshold = 1", "concept 2: it needs either texts",
        "concept 2: threshold = nan", "two concepts are called 'a'",
    ):  # fmt: skip
        assert part in said


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (HEAD, Refused, "a filter without concepts calls everything safe"),
        ("name = \n" + HEAD, BadInput, "line 1"),
        (HEAD.replace("miniature", "nobody/nothing") + BLOOD, BadInput, "hf download nobody/nothing"),
        (HEAD + BLOOD.replace("violence", "blood " * 200), BadInput, "make several texts of it"),
        (
            HEAD + BLOOD.replace('texts = ["violence", "blood and gore"]', 'embeddings = "z"'),
            BadInput,
            "tensor 'blood'",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(made, text, error, said):
    with pytest.raises(error, match=said):
        made(text)


@pytest.mark.parametrize(
    "rows", [torch.zeros(1, 128), torch.ones(0, 128), torch.ones(2, 64), torch.ones(128)]
)
def test_embeddings_that_say_nothing_are_refused(made, tmp_path, rows):
    save_file({"blood": rows}, tmp_path / "rows.safetensors")
    with pytest.raises(BadInput, match="blood"):
        made(f'{HEAD}[[concept]]\nname = "blood"\nembeddings = "rows.safetensors"\nthreshold = 0.3\n')
