"""A tiny text encoder with random weights and a decoder of its size."""

from __future__ import annotations

import pytest
import torch

from safelight.diffusion import tiny
from safelight.interpret.decoder import Decoder, Shape
from safelight.interpret.encoder import Encoder


@pytest.fixture(scope="session")
def pipe():
    return tiny.sd()


@pytest.fixture(scope="session")
def encoder(pipe):
    return Encoder(pipe.text_encoder, pipe.tokenizer, 77)


@pytest.fixture
def decoder(encoder):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Decoder(Shape(encoder.vocabulary, encoder.width, hidden=32, layers=1, heads=2)).eval()
