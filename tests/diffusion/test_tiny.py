from __future__ import annotations

from time import process_time

import torch

from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone


def test_it_is_made_in_a_moment_and_always_the_same():
    tiny.sd()  # imports
    state, begun = torch.get_rng_state(), process_time()
    one, two = tiny.sd(), tiny.sd()
    assert process_time() - begun < 2
    assert torch.equal(torch.get_rng_state(), state)
    weights = two.unet.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in one.unet.state_dict().items())


def test_it_listens_to_its_text():
    model = backbone(tiny.sd())
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        cat, dog = (model.predict(x, torch.tensor(500), model.encode([text])) for text in ("a cat", "a dog"))
    assert (cat - dog).abs().mean() > 0.05 * cat.abs().mean()
