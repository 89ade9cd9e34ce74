from __future__ import annotations

import pytest

from safelight.core.errors import BadInput
from safelight.core.nouns import Cap
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone


@pytest.fixture(scope="module")
def model():
    return backbone(tiny.flux())


def test_conditioning_by_encoder(model):
    assert (model.family, model.kind, model.size) == ("flux", "flow", (256, 256))
    assert Cap.CROSS_ATTN not in model.caps
    cond = model.encode(["a cat", "a dog"])
    assert {name: states.shape for name, states in cond.tokens.items()} == {"text_encoder_2": (2, 512, 32)}
    assert {name: states.shape for name, states in cond.pooled.items()} == {"text_encoder": (2, 32)}


def test_only_a_distilled_network_is_fed_guidance(model):
    assert model.inputs == {"embedded_guidance": 3.5}
    assert backbone(tiny.flux(embedded_guidance=False)).inputs == {}


def test_sizes_are_of_whole_tokens(model):
    assert model.latent_shape(16, 32) == (16, 8, 16)
    with pytest.raises(BadInput, match="width must be a multiple of 4, got 18"):
        model.latent_shape(16, 18)


def test_networks_that_see_more_than_latents_are_refused():
    filling = tiny.flux()
    filling.transformer.register_to_config(in_channels=384)
    with pytest.raises(BadInput, match="FluxPipeline is of no family"):
        backbone(filling)
