"""The weights that ship fit the code that ships."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline

from safelight.core.concepts import CONCEPTS
from safelight.diffusion import miniature_nets as nets
from safelight.diffusion.load import load
from safelight.miniature.weights import FOLDER


@pytest.fixture(scope="module")
def model():
    return load("miniature").backbone


def test_it_samples_by_the_schedule_that_it_was_trained_with(model):
    ours = nets.scheduler()
    assert model.scheduler.config["timestep_spacing"] == ours.config["timestep_spacing"] == "trailing"
    assert torch.equal(model.scheduler.alphas_cumprod, ours.alphas_cumprod)


def test_it_reads_every_concept_that_ships_to_its_end(model):
    assert {name: lost for name, text in CONCEPTS.items() if (lost := model.lost(text))} == {}


def test_plain_diffusers_loads_the_folder_and_draws_the_same_latents():
    pipe: Any = StableDiffusionPipeline.from_pretrained(FOLDER, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    rng = torch.Generator().manual_seed(3)
    theirs = pipe("a red cat", num_inference_steps=3, guidance_scale=5.0, generator=rng, output_type="latent")
    model = load("miniature", device="cpu", dtype="float32")
    [ours] = model.run(["a red cat"], [3], sampling=replace(model.sampling, steps=3))
    torch.testing.assert_close(ours.latent, theirs.images[0], rtol=1e-5, atol=1e-5)


def test_every_file_stands_in_the_checksums_and_all_are_small_enough_to_ship():
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    names = {path.relative_to(FOLDER).as_posix() for path in files}
    sums = json.loads((FOLDER / "checksums.json").read_text(encoding="utf-8"))
    assert names - {"checksums.json"} == set(sums)
    assert sum(path.stat().st_size for path in files) < 20e6
