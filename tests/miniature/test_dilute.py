from __future__ import annotations

from random import Random

import numpy as np
import pytest

from safelight.core.errors import BadInput
from safelight.miniature.dilute import dilute

RED, BLUE = (np.broadcast_to(np.array(c, np.uint8), (64, 64, 3)) for c in ((255, 0, 0), (0, 0, 255)))


@pytest.mark.parametrize("share", [1.0, 0.5, 0.25, 0.125])
def test_the_subject_takes_its_share_and_the_rest_stays(share):
    picture = dilute(RED, BLUE, share, Random(0))
    red, blue = (picture == RED).all(2), (picture == BLUE).all(2)
    assert red.mean() == pytest.approx(share, abs=0.01)
    assert (red | blue).all()
    assert (BLUE == dilute(BLUE, BLUE, share, Random(0))).all()


def test_the_place_is_the_seeds_and_varies():
    places = {dilute(RED, BLUE, 0.25, Random(seed)).tobytes() for seed in (0, 0, 1, 2)}
    assert len(places) == 3


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_no_share_is_refused(share):
    with pytest.raises(BadInput, match="share"):
        dilute(RED, BLUE, share, Random(0))
