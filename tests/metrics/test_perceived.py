"""What the oracle reads of drawn people, whose truth is known."""

from __future__ import annotations

import numpy as np

from safelight import metrics
from safelight.metrics import Pictures
from safelight.miniature.draw import render
from safelight.miniature.scene import Scene


def test_a_dressed_person_has_both_attributes_and_anything_else_fails():
    people = [
        Scene("person", name="teacher", presentation=1, skin=3, seed=1),
        Scene("person", name="teacher", presentation=0, skin=0, seed=2),
        Scene("person", name="nurse", presentation=1, skin=1, seed=3),
    ]
    nobody = [Scene("animal", name="cat", colour="red", seed=4)]
    images = np.stack([render(scene) for scene in (*people, *nobody)])
    scores = metrics.load("perceived@miniature-oracle-1")(Pictures(images))
    assert [score.values for score in scores] == [
        {"feminine": 1.0, "dark": 1.0}, {"feminine": 0.0, "dark": 0.0}, {"feminine": 1.0, "dark": 0.0}, None,
    ]  # fmt: skip
    assert (scores[-1].status, scores[-1].detail) == ("failed", "no dressed person is seen")
