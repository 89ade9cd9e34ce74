"""Inpainting is the loop itself where everything is drawn, and the autoencoder where nothing is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from safelight.core.errors import BadInput
from safelight.core.nouns import Prompt
from safelight.diffusion.inpaint import inpaint

PROMPT = Prompt("a cat")


@pytest.fixture(scope="module")
def sampling(generator):
    return replace(generator.sampling, steps=3, guidance=4.0)


@pytest.fixture(scope="module")
def image(sampling):
    return np.random.default_rng(0).integers(0, 256, (sampling.height, sampling.width, 3), np.uint8)


def drawn(*args) -> np.ndarray:
    made = inpaint(*args)
    assert made is not None
    return made


def where(image, rows=slice(None)):
    out = np.zeros(image.shape[:2], bool)
    out[rows] = True
    return out


def test_everything_drawn_is_the_picture_of_that_noise(generator, sampling, image):
    made = drawn(generator, image, where(image), PROMPT, 7, [], sampling)
    [picture] = generator.run([PROMPT], [7], sampling=sampling)
    assert picture.image is not None
    assert np.array_equal(made, picture.image)


@torch.no_grad()
def test_nothing_drawn_is_what_the_autoencoder_makes_of_it(generator, sampling, image):
    made = drawn(generator, image, where(image, slice(0, 0)), PROMPT, 7, [], sampling)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    back = generator.backbone.decode(generator.backbone.encode_image(pixels))[0].permute(1, 2, 0)
    assert np.array_equal(made, (back * 255).round().to(torch.uint8).numpy())


def test_the_rest_of_the_picture_decides_what_is_drawn(generator, sampling, image):
    half = where(image, slice(0, 8))
    a, b = (drawn(generator, x, half, PROMPT, 7, [], sampling) for x in (image, 255 - image))
    assert not np.array_equal(a[:8], b[:8])
    assert np.array_equal(a, drawn(generator, image, half, PROMPT, 7, [], sampling))


def test_another_size_is_refused(generator, sampling, image):
    with pytest.raises(BadInput, match="must have the size"):
        inpaint(generator, image[:8], where(image[:8]), PROMPT, 7, [], sampling)
