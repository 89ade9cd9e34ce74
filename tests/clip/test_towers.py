"""A tiny random CLIP in a folder, against transformers; and the miniature's own."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from safelight import metrics
from safelight.clip import eye, towers
from safelight.core.errors import BadInput, Damaged
from safelight.diffusion.tiny.text import tokenizer
from safelight.miniature import weights

SIDE = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    names: Any = tokenizer()
    shape = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": names.bos_token_id, "eos_token_id": names.eos_token_id}
    config = CLIPConfig(
        text_config=shape | ends | {"vocab_size": len(names), "pad_token_id": names.pad_token_id},
        vision_config=shape | {"image_size": SIDE, "patch_size": 15},
        projection_dim=24,
    )
    path = tmp_path_factory.mktemp("clip")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        CLIPModel(config).save_pretrained(path)
    names.save_pretrained(path)
    size: dict[str, Any] = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    CLIPImageProcessorPil(**size).save_pretrained(path)
    return str(path)


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    """One that may be spoilt."""
    return Path(copytree(folder, tmp_path / "clip"))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def first(v: torch.Tensor) -> torch.Tensor:
    return v[:, :1]


def test_vectors_and_scale_are_those_of_transformers(folder):
    ours, texts = towers.load(folder), ["a cat", "a longer text, of letters"]
    images = [noise(40, 31, 3), noise(SIDE, 90, 3)]
    net: Any = CLIPModel.from_pretrained(folder).eval()
    pixels = CLIPImageProcessorPil.from_pretrained(folder)(images, return_tensors="pt").pixel_values
    ids = ours.tokenizer(texts, padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        expected = net(input_ids=ids, pixel_values=pixels).logits_per_image
    found = ours.scale * normalize(ours.images(images)) @ normalize(ours.texts(texts)).T
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert ours.width == 24


def test_the_clip_score_has_named_backbones(folder, tmp_path, monkeypatch):
    name = "openai/clip-vit-base-patch32"
    with pytest.raises(BadInput, match=f"hf download {name}"):
        metrics.load(f"clip@{name}")
    copytree(folder, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    metric, net = metrics.load(f"clip@{name}"), towers.load(folder)
    images, texts = np.stack([noise(40, 31, 3), noise(40, 31, 3)[::-1]]), ["a cat", "letters " * 100]
    first, second = metric(metrics.Pictures(images, texts))
    expected = (normalize(net.images([images[0]])) * normalize(net.texts(texts[:1]))).sum().item()
    assert first.values == {"clip": pytest.approx(expected, rel=1e-5)}
    assert (second.values, second.status) == (None, "failed")  # its end would not be read
    assert [score.status for score in metric(metrics.Pictures(images, ["a cat", "a dog"]))] == ["ok", "ok"]


@pytest.mark.parametrize("shape", [(30, 30), (64, 51), (30, 90), (31, 40), (7, 29), (333, 47), (200, 201)])
def test_pictures_are_prepared_as_transformers_prepares_them(folder, shape):
    image = noise(*shape, 3)
    expected = CLIPImageProcessorPil.from_pretrained(folder)(image, return_tensors="pt").pixel_values
    torch.testing.assert_close(towers.load(folder).eye([image]), expected, rtol=0, atol=1e-6)


def test_the_miniature_is_its_own_clip():
    ours, own = towers.load("miniature"), weights.clip()
    images, texts = noise(3, 64, 64, 3), ["a cat", "a nude person"]
    direct = [own.images(images), own.texts(texts)]
    for a, b in zip([ours.images(list(images)), ours.texts(texts)], direct, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_blocks_change_nothing(folder, monkeypatch):
    ours, images = towers.load(folder), list(noise(7, SIDE, SIDE, 3))
    whole = ours.images(images)
    monkeypatch.setattr(eye, "BLOCK", 2)
    torch.testing.assert_close(ours.images(images), whole, rtol=1e-5, atol=1e-6)


def test_an_item_that_is_no_picture_fails_alone(folder):
    items = [noise(30, 30, 3), None, noise(30, 30), noise(30, 30, 3) / 255, noise(1, 90, 3), noise(40, 40, 3)]
    found = towers.load(folder).scores("mine", ["x"], items, first)
    assert [score.status for score in found] == ["ok", "failed", "failed", "failed", "failed", "ok"]
    assert found[1].detail == "pictures are uint8 [h, w, 3], got NoneType"
    alone = towers.load(folder).scores("mine", ["x"], items[-1:], first)
    assert found[-1].values == pytest.approx(alone[0].values, abs=1e-5)
    assert towers.load(folder).scores("mine", ["x"], [None], first)[0].status == "failed"
    assert towers.load(folder).scores("mine", ["x"], [], first) == []


@pytest.mark.parametrize(
    "read", [first, lambda v: torch.zeros(len(v), 1)], ids=["what is read", "a constant"]
)
@pytest.mark.parametrize("spoil", [float("nan"), float("inf"), 0.0])
def test_vectors_that_mean_nothing_fail_whatever_is_read_from_them(folder, spoil, read):
    """A constant 0, as a cosine with a vector of length 0 is: it would pass for harmless."""
    ours = towers.load(folder)
    ours.net.visual_projection.weight.fill_(spoil)
    [score] = ours.scores("mine", ["x"], [noise(30, 30, 3)], read)
    assert (score.values, score.status) == (None, "failed")
    assert score.detail == "mine read NaN or nothing: the picture or the weights are damaged"


def test_a_value_that_is_nan_fails(folder):
    [score] = towers.load(folder).scores("mine", ["x"], [noise(30, 30, 3)], lambda v: first(v) * torch.nan)
    assert score.status == "failed"


def test_the_hash_is_that_of_the_weights(copy):
    before = towers.load(str(copy)).content_hash
    assert before == towers.load(str(copy)).content_hash != towers.load("miniature").content_hash
    tensors = load_file(copy / "model.safetensors")
    tensors["logit_scale"] += 1
    save_file(tensors, copy / "model.safetensors")
    assert towers.load(str(copy)).content_hash != before


def test_half_precision_weights_are_read_in_float32(copy):
    tensors = load_file(copy / "model.safetensors")
    save_file({name: x.half() for name, x in tensors.items()}, copy / "model.safetensors")
    assert towers.load(str(copy)).images([noise(30, 30, 3)]).dtype == torch.float32


def test_a_text_whose_end_would_not_be_read_is_refused_by_its_name(folder):
    longest = "a" * 70  # 72 letters with start and end: the tiny tokenizer has one token a letter
    assert towers.load(folder).texts(["a dog", longest]).shape == (2, 24)
    with pytest.raises(BadInput, match=r"CLIP reads 77 tokens and 'a cat a cat .* make several texts"):
        towers.load(folder).texts(["b" * 70, "a cat " * 20, "a dog"])


def test_a_tokenizer_that_reads_less_than_the_tower_counts(copy):
    about = json.loads((copy / "tokenizer_config.json").read_text())
    (copy / "tokenizer_config.json").write_text(json.dumps(about | {"model_max_length": 8}))
    with pytest.raises(BadInput, match="CLIP reads 8 tokens"):
        towers.load(str(copy)).texts(["a cat on a mat"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": {"shortest_edge": 40}}, "has size = 40: no CLIP's with a tower for 30 pixels"),
        ({"crop_size": {"height": 30, "width": 20}}, "has crop_size = "),
        ({"resample": 2, "do_center_crop": False}, "has resample = 2, do_center_crop = False"),
        ({"rescale_factor": 1 / 127.5}, "has rescale_factor"),
    ],
)
def test_pictures_prepared_in_another_way_are_refused(copy, change, said):
    about = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").write_text(json.dumps(about | change))
    with pytest.raises(BadInput, match=said):
        towers.load(str(copy))


@pytest.mark.parametrize("said", ["no JSON", "{}", '{"size": 30, "image_mean": 1, "image_std": 1}'])
def test_a_preparation_that_cannot_be_read_is_damaged(copy, said):
    (copy / "preprocessor_config.json").write_text(said)
    with pytest.raises(Damaged, match="says nothing of size, image_mean or image_std"):
        towers.load(str(copy))


def test_weights_that_are_absent_or_not_clips_are_named(copy):
    with pytest.raises(BadInput, match="hf download nobody/nothing config"):
        towers.load("nobody/nothing")
    save_file({"x": torch.ones(2)}, copy / "model.safetensors")
    with pytest.raises(Damaged, match="holds no CLIP with its tokenizer"):
        towers.load(str(copy))
    save_file({"x": torch.full((2,), torch.nan)}, copy / "model.safetensors")
    with pytest.raises(Damaged, match="NaN or infinity in x"):
        towers.load(str(copy))
    (copy / "model.safetensors").unlink()
    with pytest.raises(Damaged, match=r"model\.safetensors is missing"):
        towers.load(str(copy))
