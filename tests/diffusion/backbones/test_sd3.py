from __future__ import annotations

import pytest
import torch

from safelight.core.errors import BadInput
from safelight.core.nouns import Cap
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone


@pytest.fixture(scope="module")
def model():
    return backbone(tiny.sd3())


def test_conditioning_by_encoder(model):
    assert (model.family, model.kind, model.size) == ("sd3", "flow", (16, 16))
    assert Cap.CROSS_ATTN not in model.caps
    cond = model.encode(["a cat", "a dog"])
    assert {name: states.shape for name, states in cond.tokens.items()} == {
        "text_encoder": (2, 77, 32),
        "text_encoder_2": (2, 77, 32),
        "text_encoder_3": (2, 256, 64),
    }
    assert {name: states.shape for name, states in cond.pooled.items()} == {
        "text_encoder": (2, 32),
        "text_encoder_2": (2, 32),
    }


def test_without_its_t5_zeros_stand_for_it(model):
    small, x = backbone(tiny.sd3(t5=False)), torch.randn(1, 16, 8, 8)
    assert small.parts.keys() == model.parts.keys() - {"text_encoder_3"}
    cond = small.encode(["a cat"])
    assert "text_encoder_3" not in cond.tokens
    cond.tokens["text_encoder_3"] = torch.zeros(1, 256, 64)  # pyright: ignore
    with torch.no_grad():
        expected = small.predict(x, torch.tensor(500.0), cond)
        assert torch.equal(small.predict(x, torch.tensor(500.0), small.encode(["a cat"])), expected)


def test_its_t5_reads_on_where_clip_has_ended(model):
    text = "abc " * 30 + "tail"  # CLIP has room for 25 such words, T5 for 63
    assert model.lost(text) == ""
    assert backbone(tiny.sd3(t5=False)).lost(text) == "abc " * 5 + "tail"
    assert model.lost("abc " * 63 + "abc tail").endswith("tail")


def test_sizes(model):
    assert model.latent_shape(16, 64) == (16, 8, 32)
    with pytest.raises(BadInput, match="height must be a multiple of 4, got 18"):
        model.latent_shape(18, 16)
    with pytest.raises(BadInput, match="height and width must be at most 64, got 16 x 68"):
        model.latent_shape(16, 68)
