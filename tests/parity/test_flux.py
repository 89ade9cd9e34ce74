"""Our loop gives the same bits as `FluxPipeline`.

With true guidance the pipeline predicts its two rows one after the other: `max_rows=2`. In one pass, as our
loop has it by default, a product of matrices may round its last bit another way.
"""

from __future__ import annotations

import pytest
import torch
from parity.families import NEGATIVE, PROMPTS, SIZES, decoded, ours, rngs, theirs

from safelight.diffusion import tiny


def unpacked(pipe, latents, size):
    return pipe._unpack_latents(latents, *size, pipe.vae_scale_factor)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("embedded", [True, False])
def test_equal_bits_without_true_guidance(size, embedded):
    pipe = tiny.flux(embedded)
    reference = unpacked(pipe, theirs(pipe, size), size)
    assert torch.equal(ours(pipe, {"prompt": PROMPTS}, 1.0, size), reference)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("embedded", [True, False])
def test_equal_bits_with_true_guidance(size, embedded):
    pipe, rows = tiny.flux(embedded), {"uncond": NEGATIVE, "prompt": PROMPTS}
    reference = unpacked(pipe, theirs(pipe, size, negative_prompt=NEGATIVE, true_cfg_scale=4.0), size)
    assert torch.equal(ours(pipe, rows, 4.0, size, max_rows=2), reference)
    assert torch.allclose(ours(pipe, rows, 4.0, size), reference, atol=1e-5)


def test_another_embedded_guidance():
    pipe, size = tiny.flux(), SIZES[0]
    reference = unpacked(pipe, theirs(pipe, size, guidance_scale=1.5), size)
    fed = {"embedded_guidance": 1.5}
    assert torch.equal(ours(pipe, {"prompt": PROMPTS}, 1.0, size, inputs=fed), reference)
    assert not torch.equal(ours(pipe, {"prompt": PROMPTS}, 1.0, size), reference)


def test_pictures_are_the_pipelines():
    pipe, (height, width) = tiny.flux(), SIZES[1]
    options = {"height": height, "width": width, "num_inference_steps": 1}
    latents, images = (
        pipe("a cat", **options, generator=rngs()[0], output_type=kind).images for kind in ("latent", "pt")
    )
    assert torch.equal(decoded(pipe, unpacked(pipe, latents, SIZES[1])), images)
