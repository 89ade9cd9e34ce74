"""Vectors of one run steer another; for their equality with diffusers' see tests/parity/test_sega.py."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from safelight.core.errors import BadInput, Damaged, Refused
from safelight.diffusion.sampling import Sampling
from safelight.diffusion.vectors import KEY, record, save
from safelight.methods.guidance.guidance_vectors import GuidanceVectors
from safelight.methods.guidance.sega import SEGA

N = 5
SAMPLING = Sampling(steps=N, height=16, width=16)
RAIN = SEGA("rain", edit_warmup_steps=1)


@pytest.fixture(scope="module")
def file(generator, tmp_path_factory):
    path = tmp_path_factory.mktemp("vectors") / "rain.safetensors"
    record(path, generator, "a cat", 0, [RAIN], SAMPLING)
    return str(path)


def test_they_are_what_the_method_added_and_draw_the_same_picture_again(generator, file):
    vectors = GuidanceVectors(file).vectors
    assert len(vectors) == N
    assert vectors[0].abs().max() <= 1e-5 < vectors[1].abs().max(), "the first step is warm-up"
    [made] = generator.run(["a cat"], [0], [RAIN], SAMPLING)
    [again] = generator.run(["a cat"], [0], [GuidanceVectors(file)], SAMPLING)
    assert (again.latent - made.latent).abs().max() <= 1e-4 * made.latent.abs().max()
    assert again.reports["guidance-vectors"] == {"on": True, "steps": "all", "share": 1.0, "file": file}


def test_they_steer_other_prompts_on_other_noise_each_alike(generator, file):
    prompts, seeds = ["a dog", "a boat"], [1, 2]
    plain = generator.run(prompts, seeds, [], SAMPLING)
    both = generator.run(prompts, seeds, [GuidanceVectors(file)], SAMPLING)
    for prompt, seed, one, before in zip(prompts, seeds, both, plain, strict=True):
        [alone] = generator.run([prompt], [seed], [GuidanceVectors(file)], SAMPLING)
        scale = one.latent.abs().max()
        assert (alone.latent - one.latent).abs().max() <= 1e-5 * scale
        assert (one.latent - before.latent).abs().max() > 1e-3 * scale


def test_they_add_up_with_another_method(generator, file, tmp_path):
    methods = [GuidanceVectors(file), SEGA("a boat", edit_warmup_steps=0, reverse_editing_direction=False)]
    record(tmp_path / "both.safetensors", generator, "a cat", 0, methods, SAMPLING)
    both = GuidanceVectors(str(tmp_path / "both.safetensors"))
    assert (both.vectors - GuidanceVectors(file).vectors).abs().amax((1, 2, 3)).min() > 1e-3
    assert both.sought == ("a boat",)


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        (Sampling(steps=N + 1, height=16, width=16), f"for {N} solver iterations, and this run has {N + 1}"),
        (Sampling(steps=N, height=16, width=16, guidance=1.0), "guidance is 1.0"),
    ],
)
def test_another_run_than_they_were_made_for_is_refused_before_any_step(generator, file, sampling, said):
    with pytest.raises(Refused, match=said):
        generator.run(["a cat"], [0], [GuidanceVectors(file)], sampling)


def test_another_size_is_refused_at_the_first_step(generator, file):
    seen, sampling = [], Sampling(steps=N, height=24, width=16)
    with pytest.raises(BadInput, match=r"was made for latents \(4, 8, 8\); these pictures have \(4, 12, 8\)"):
        generator.run(["a cat"], [0], [GuidanceVectors(file)], sampling, seen.append)
    assert seen == []


def test_without_a_file_there_is_nothing_to_add(generator):
    with pytest.raises(Refused, match="name a file"):
        generator.run(["a cat"], [0], [GuidanceVectors()], SAMPLING)


@pytest.mark.parametrize(
    "tensors",
    [
        {"other": torch.ones(N, 4, 8, 8)},
        {KEY: torch.ones(N, 4, 8)},
        {KEY: torch.full((N, 4, 8, 8), torch.inf)},
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, tensors):
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(Damaged, match=r"must hold sem_guidance \[n, c, h, w\]"):
        GuidanceVectors(str(tmp_path / "a.safetensors"))


def test_files_that_are_absent_or_damaged_or_cannot_be_written_are_named(tmp_path):
    with pytest.raises(BadInput, match=r"none\.safetensors cannot be read"):
        GuidanceVectors(str(tmp_path / "none.safetensors"))
    (tmp_path / "cut.safetensors").write_bytes(b"\x10")
    with pytest.raises(Damaged, match=r"cut\.safetensors is truncated"):
        GuidanceVectors(str(tmp_path / "cut.safetensors"))
    with pytest.raises(BadInput, match="cannot write"):
        save(tmp_path / "absent" / "a.safetensors", torch.zeros(1, 1, 1, 1), [])


@pytest.mark.parametrize("about", [{}, {"sought": "rain"}, {"sought": "[1]"}])
def test_a_file_that_does_not_say_what_it_seeks_is_refused(tmp_path, about):
    save_file({KEY: torch.zeros(1, 1, 1, 1)}, tmp_path / "a.safetensors", about)
    with pytest.raises(Damaged, match="does not say which texts it steers towards"):
        GuidanceVectors(str(tmp_path / "a.safetensors"))
