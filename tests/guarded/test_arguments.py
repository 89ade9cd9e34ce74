"""What a guarded call takes of a pipeline's arguments, and that it refuses what leads past the checks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback, SDCFGCutoffCallback

from safelight.core.errors import BadInput, Refused, UnknownName
from safelight.diffusion import tiny
from safelight.guarded import guard
from safelight.guarded.arguments import settings
from safelight.policies import Policy

RESEARCH = Policy.load("research")
FAST = {"num_inference_steps": 2, "guidance_scale": 5.0}


class Takes(PipelineCallback):
    """One of diffusers' own callbacks: it says itself what it wants to be handed."""

    def __init__(self, *inputs: str):
        super().__init__()
        self.inputs, self.seen = list(inputs), []

    @property
    def tensor_inputs(self) -> list[str]:
        return self.inputs

    def callback_fn(self, pipeline, step_index, timesteps, callback_kwargs):
        self.seen.append(dict(callback_kwargs))
        return callback_kwargs


@pytest.fixture(scope="module")
def pipe():
    return tiny.sd()


@pytest.mark.parametrize("argument", [{}, {"callback_on_step_end_tensor_inputs": []}], ids=["none", "empty"])
@pytest.mark.parametrize(
    ("callback", "named"),
    [
        (Takes("latents"), "latents"),
        (Takes("prompt_embeds"), "prompt_embeds"),
        (MultiPipelineCallbacks([Takes(), Takes("latents")]), "latents"),
        (SDCFGCutoffCallback(), "prompt_embeds"),
    ],
    ids=["latents", "text", "several", "of diffusers"],
)
def test_a_callback_that_names_its_own_tensors_is_refused(pipe, argument, callback, named):
    with (
        guard(pipe, RESEARCH) as guarded,
        pytest.raises(
            Refused, match=f"a callback that is handed {named} could decode pictures past the checks"
        ),
    ):
        guarded("a cat", callback_on_step_end=callback, **argument, **FAST)


def test_a_callback_for_which_the_argument_names_tensors_is_refused(pipe):
    named: dict[str, Any] = {"callback_on_step_end_tensor_inputs": ["latents"]}
    for callback in (print, Takes(), MultiPipelineCallbacks([Takes()])):
        with pytest.raises(Refused, match="handed latents could decode"):
            settings(pipe, {"callback_on_step_end": callback, **named})


def test_diffusers_callbacks_that_want_no_tensors_are_handed_none(pipe):
    alone, other = Takes(), Takes()
    with guard(pipe, RESEARCH) as guarded:
        for callback in (alone, MultiPipelineCallbacks([other])):
            assert guarded("a cat", callback_on_step_end=callback, **FAST).pictures[0].image is not None
    assert alone.seen == other.seen == [{}, {}]


EMBEDS = torch.zeros(1, 77, 32)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"output_type": "latent"}, "a latent could be decoded past them"),
        ({"output_type": "np"}, "np.asarray"),
        ({"return_dict": False}, "safelight result"),
        ({"denoising_end": 0.8}, "it leaves noise"),
        ({"callback": print}, "take callback_on_step_end"),
        ({"prompt_embeds": EMBEDS}, "the hard stop cannot read it"),
        ({"negative_prompt_embeds": EMBEDS, "output_type": "pt"}, "negative_prompt_embeds"),
        (
            {"prompt_2": "a dog", "negative_prompt_2": "rain"},
            "negative_prompt_2, prompt_2: the hard stop cannot",
        ),
        ({"ip_adapter_image_embeds": [EMBEDS]}, "a text's embedding can stand in the place of a picture's"),
        ({"clip_skip": 1}, "clip_skip: .* no direction; leave it out"),
        (
            {"cross_attention_kwargs": {"gligen": {"positive_embeddings": EMBEDS}}},
            "'gligen'. reaches .* unread",
        ),
        (
            {"cross_attention_kwargs": {"scale": 0.5, "kept": []}},
            "'kept'. reaches the attention layers unread",
        ),
        ({"sigmas": [10.0, 3.0, 1.0]}, "the last one is the noise left in the picture"),
        ({"sigmas": np.array([10.0, math.nan])}, "end in 0"),
        ({"sigmas": []}, "end in 0"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_arguments_that_would_lead_past_the_checks_are_refused(pipe, given, said):
    with guard(pipe, RESEARCH) as guarded, pytest.raises(Refused, match=said):
        guarded("a cat", **given, **FAST)


def test_all_that_is_refused_is_said_at_once(pipe):
    with pytest.raises(Refused) as refused:
        settings(pipe, {"clip_skip": 1, "prompt_embeds": EMBEDS, "cross_attention_kwargs": {"a": 1, "b": 2}})
    assert len(refused.value.problems) == 4


def test_numbers_and_masks_for_the_attention_layers_and_clean_noise_levels_pass(pipe):
    given = {
        "cross_attention_kwargs": {"scale": 0.5, "ip_adapter_masks": [torch.ones(1, 1, 16, 16)]},
        "sigmas": np.array([10.0, 3.0, 0.0]),
    }
    assert settings(pipe, given) == given | {"callback_on_step_end_tensor_inputs": []}


@pytest.mark.parametrize("steps", [0, -1, True, 2.0, "4", None])
def test_steps_are_a_whole_number(pipe, steps):
    with pytest.raises(BadInput, match="num_inference_steps must be a whole number of at least 1, got"):
        settings(pipe, {"num_inference_steps": steps})


@pytest.mark.parametrize("scale", [math.nan, math.inf, "5", True, None])
def test_guidance_is_a_finite_number(pipe, scale):
    with pytest.raises(BadInput, match="guidance_scale must be a finite number"):
        settings(pipe, {"guidance_scale": scale})


@pytest.mark.parametrize("name", ["guidance_rescale", "eta"])
def test_no_other_number_is_infinite_or_none_at_all(pipe, name):
    with pytest.raises(BadInput, match=f"{name} must be a finite number .* got nan"):
        settings(pipe, {name: math.nan})
    assert settings(pipe, {name: 0.5})[name] == 0.5


def test_an_unknown_argument_gets_a_suggestion(pipe):
    with pytest.raises(UnknownName, match="Did you mean 'num_inference_steps'"):
        settings(pipe, {"num_inference_stepz": 3})
