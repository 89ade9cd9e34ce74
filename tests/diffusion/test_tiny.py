from __future__ import annotations

from time import process_time

import pytest
import torch

from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone


@pytest.mark.parametrize("make", tiny.FAMILIES.values(), ids=tiny.FAMILIES)
def test_it_is_made_in_a_moment_and_always_the_same(make):
    make()  # imports
    state, begun = torch.get_rng_state(), process_time()
    one, two = backbone(make()), backbone(make())
    assert process_time() - begun < 2
    assert torch.equal(torch.get_rng_state(), state)
    for name, part in one.parts.items():
        weights = two.parts[name].state_dict()
        assert all(torch.equal(weight, weights[key]) for key, weight in part.state_dict().items())


@pytest.mark.parametrize("make", tiny.FAMILIES.values(), ids=tiny.FAMILIES)
def test_it_listens_to_its_text(make):
    model = backbone(make())
    x = torch.randn(1, *model.latent_shape(16, 16), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        cat, dog = (model.predict(x, torch.tensor(500.0), model.encode([t])) for t in ("a cat", "a dog"))
    assert (cat - dog).abs().mean() > 0.05 * cat.abs().mean()
