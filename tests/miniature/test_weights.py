"""The weights that ship fit the code that ships."""

from __future__ import annotations

import pytest
import torch

from safelight.core.concepts import CONCEPTS
from safelight.diffusion import miniature_nets as nets
from safelight.diffusion.load import load


@pytest.fixture(scope="module")
def model():
    return load("miniature").backbone


def test_it_samples_by_the_schedule_that_it_was_trained_with(model):
    ours = nets.scheduler()
    assert model.scheduler.config["timestep_spacing"] == ours.config["timestep_spacing"] == "trailing"
    assert torch.equal(model.scheduler.alphas_cumprod, ours.alphas_cumprod)


def test_it_reads_every_concept_that_ships_to_its_end(model):
    assert {name: lost for name, text in CONCEPTS.items() if (lost := model.lost(text))} == {}
