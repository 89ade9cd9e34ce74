from __future__ import annotations

import pytest
import torch

from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone


@pytest.fixture(scope="module")
def model():
    return backbone(tiny.sd())


def test_shapes_and_sizes(model):
    assert (model.family, model.kind, model.size, model.factor) == ("sd", "epsilon", (16, 16), 2)
    assert model.latent_shape(16, 32) == (4, 8, 16)
    assert model.encode(["a cat", ""]).tokens["text_encoder"].shape == (2, 77, 32)
    assert backbone(tiny.sd("v_prediction")).kind == "v"


def test_lost_words_are_the_end_of_the_text(model):
    text = "abc " * 25 + "tail"  # three tokens a word: 75 fit
    assert model.lost(text) == "tail"
    assert model.lost("abc " * 25) == ""
    assert model.lost("") == ""


def test_a_cut_text_is_encoded_as_its_beginning(model):
    long, short = model.encode(["abc " * 25 + "tail", "abc " * 25]).tokens["text_encoder"]
    assert torch.allclose(long, short, atol=1e-6)


def test_images_are_in_the_unit_interval_both_ways(model):
    images = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        latents = model.encode_image(images)
        assert latents.shape == (2, 4, 8, 8)
        decoded = model.decode(100 * latents)
    assert decoded.shape == images.shape
    assert 0 <= decoded.min() <= decoded.max() <= 1
