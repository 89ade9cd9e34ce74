"""A tiny Stable Diffusion in float64, and the programs' sampling written out with diffusers alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch

from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone


def double(**options):
    return tiny.sd(**options).to(torch.float64)


@pytest.fixture
def pipe():
    return double()


@pytest.fixture
def model(pipe):
    return backbone(pipe)


@pytest.fixture
def rows(model):
    """The number of rows of each call of the model's network, as they come."""
    counted = []
    hook = model.net.register_forward_hook(lambda _, args, out: counted.append(len(args[0])))
    yield counted
    hook.remove()


@pytest.fixture
def reference():
    """The same weights once more, and what a plain transcription of a program needs."""
    own = double()

    def encode(text):
        ids = own.tokenizer(text, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
        with torch.no_grad():
            return own.text_encoder(ids.input_ids)[0]

    @torch.no_grad()
    def sample(net, text, noise, steps, of, start=0, scale=3.0):
        """`steps` steps of DDIM with `of` time steps, from noise at the time step with number `start`."""
        ddim: Any = diffusers.DDIMScheduler.from_config(own.scheduler.config)
        ddim.set_timesteps(of)
        x, both = noise, torch.cat([encode(""), encode(text)])
        for t in ddim.timesteps[start : start + steps]:
            null, cond = net(torch.cat([x, x]), t, both).sample.chunk(2)
            x = ddim.step(null + scale * (cond - null), t, x).prev_sample
        return x

    def predict(net, x, t, text):
        return net(x, t, encode(text)).sample

    return SimpleNamespace(unet=own.unet, encode=encode, sample=sample, predict=predict)
