from __future__ import annotations

import pytest
import torch

from safelight.core.concepts import CONCEPTS
from safelight.core.errors import BadInput, Refused
from safelight.core.nouns import Prompt
from safelight.diffusion.sampling import Sampling
from safelight.methods.guidance.negative_prompt import NegativePrompt

SAMPLING = Sampling(steps=4, height=16, width=16)


def test_it_is_the_users_negative_prompt(generator):
    (ours,) = generator.run(["a cat"], [1], [NegativePrompt("rain, blood")], SAMPLING)
    (users,) = generator.run([Prompt("a cat", negative="rain, blood")], [1], (), SAMPLING)
    (plain,) = generator.run(["a cat"], [1], (), SAMPLING)
    assert torch.equal(ours.latent, users.latent)
    assert not torch.equal(ours.latent, plain.latent)
    assert ours.reports["negative-prompt"] == {
        "on": True, "steps": "all", "share": 1.0, "concept": ["rain, blood"],
    }  # fmt: skip


def test_the_users_own_negative_text_is_kept():
    assert NegativePrompt(("nudity", "rain")).rows(Prompt("a cat", "fog")) == {"uncond": "nudity, rain, fog"}
    assert NegativePrompt().rows(Prompt("a cat")) == {"uncond": CONCEPTS["sld-19"]}


def test_the_prompt_as_its_own_negative_cancels_guidance(generator):
    (cancelled,) = generator.run(["a cat"], [1], [NegativePrompt("a cat")], SAMPLING)
    (unguided,) = generator.run(["a cat"], [1], (), Sampling(steps=4, height=16, width=16, guidance=1))
    assert (cancelled.latent - unguided.latent).abs().max() < 1e-4 * unguided.latent.abs().max()


def test_without_guidance_it_is_refused(generator):
    with pytest.raises(
        Refused, match="'negative-prompt': guidance is 1: a negative prompt acts only above 1"
    ):
        generator.run(
            ["a cat"], [1], [NegativePrompt("rain")], Sampling(steps=2, height=16, width=16, guidance=1)
        )


def test_an_empty_text_is_refused():
    with pytest.raises(BadInput, match="concept must not be empty"):
        NegativePrompt(" ")
