"""A tiny random CLIP in a folder, against transformers; and the miniature's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from safelight.core.errors import BadInput
from safelight.diffusion.tiny.text import tokenizer
from safelight.encoders import clip
from safelight.miniature import weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    names: Any = tokenizer()
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": names.bos_token_id, "eos_token_id": names.eos_token_id}
    config = CLIPConfig(
        text_config=shape | ends | {"vocab_size": len(names), "pad_token_id": names.pad_token_id},
        vision_config=shape | {"image_size": 30, "patch_size": 15},
        projection_dim=24,
    )
    path = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(path)
    names.save_pretrained(path)
    size: dict[str, Any] = {"size": {"shortest_edge": 30}, "crop_size": {"height": 30, "width": 30}}
    CLIPImageProcessorPil(**size).save_pretrained(path)
    return str(path)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_vectors_and_scale_are_those_of_transformers(folder):
    ours, texts = clip.load(folder), ["a cat", "a longer text, of letters"]
    images = [noise(40, 31, 3), noise(30, 90, 3)]
    net: Any = CLIPModel.from_pretrained(folder).eval()
    pixels = CLIPImageProcessorPil.from_pretrained(folder)(images, return_tensors="pt").pixel_values
    ids = ours.tokenizer(texts, padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        expected = net(input_ids=ids, pixel_values=pixels).logits_per_image
    pictures = normalize(ours.images([ours.prepare(image) for image in images]))
    found = ours.scale * pictures @ normalize(ours.texts(texts)).T
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_the_miniature_is_its_own_clip():
    ours, own = clip.load("miniature"), weights.clip()
    images, texts = noise(3, 64, 64, 3), ["a cat", "a nude person"]
    direct = [own.images(images), own.texts(texts)]
    found = [ours.images([ours.prepare(x) for x in images]), ours.texts(texts)]
    for a, b in zip(found, direct, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_blocks_change_nothing(folder, monkeypatch):
    ours = clip.load(folder)
    prepared = [ours.prepare(image) for image in noise(7, 30, 30, 3)]
    whole = ours.images(prepared)
    monkeypatch.setattr(clip, "BLOCK", 2)
    torch.testing.assert_close(ours.images(prepared), whole, rtol=1e-5, atol=1e-6)


def test_an_item_that_is_no_picture_fails_alone(folder):
    def first(x: torch.Tensor) -> torch.Tensor:
        return x[:, :1]

    items = [noise(30, 30, 3), None, noise(30, 30), noise(30, 30, 3) / 255, noise(40, 40, 3)]
    ours = clip.load(folder)
    assert [s.status for s in ours.scores(items, ["x"], first)] == ["ok", "failed", "failed", "failed", "ok"]
    assert ours.scores([None], ["x"], first)[0].detail == "CLIP reads uint8 [h, w, 3], got NoneType"
    [small] = clip.load("miniature").scores([noise(32, 32, 3)], ["x"], first)
    assert small.detail == "the miniature's CLIP reads drawn pictures of 64 x 64, got [32, 32, 3]"


def test_the_hash_is_that_of_the_weights(folder):
    first, own = clip.load(folder), clip.load("miniature")
    assert len({first.content_hash, own.content_hash}) == 2
    assert first.content_hash == clip.load.__wrapped__(folder).content_hash


def test_what_cannot_be_read_is_named(folder):
    with pytest.raises(BadInput, match=r"this CLIP reads 77 tokens: shorten 'a cat a cat"):
        clip.load(folder).texts(["a dog", "a cat " * 30])
    with pytest.raises(BadInput, match="'minature' is no CLIP: write miniature, or"):
        clip.load("minature")
