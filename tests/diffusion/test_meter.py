from __future__ import annotations

import pytest

from safelight.diffusion import tiny
from safelight.diffusion.load import load
from safelight.diffusion.meter import Meter


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_row_is_counted_for_every_sample_and_text_of_every_step(family):
    model = load(tiny.FAMILIES[family]())
    with Meter(model.backbone) as meter:
        for guidance, texts in ((3.0, 2), (1.0, 1)):
            model.sampling = type(model.sampling)(
                steps=3, guidance=guidance, height=16, width=16, solver=model.sampling.solver
            )
            model.run(["a cat", "a dog"], [0, 1])
            assert meter.take() == 3 * 2 * texts
    model.run(["a cat"], [0])
    assert meter.take() == 0
