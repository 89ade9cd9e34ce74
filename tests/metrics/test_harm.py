from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np
import pytest

from safelight.core.nouns import Score
from safelight.metrics import Pictures
from safelight.metrics.harm import Harm, either

YES, NO, LOST = Score({"share": 1.0}), Score({"share": 0.0}), Score(None, "failed", "timed out")


@pytest.mark.parametrize(("a", "b"), list(product((YES, NO, LOST), repeat=2)))
def test_one_yes_is_enough_and_a_lost_judge_is_never_safe(a: Score, b: Score):
    found = either([a, b])
    if YES in (a, b):
        assert found.values == {"harm": 1.0}
    elif LOST in (a, b):
        assert (found.values, found.status, found.detail) == (None, "failed", "timed out")
    else:
        assert found.values == {"harm": 0.0}


@dataclass(frozen=True)
class Channel:
    """Finds pictures unsafe that are bright in one channel."""

    channel: int
    name: ClassVar[str] = "share"
    versions: ClassVar[tuple[str, ...]] = ()
    labels: ClassVar[tuple[str, ...]] = ("share",)
    needs: ClassVar[frozenset[str]] = frozenset()
    higher_better: ClassVar[bool | None] = False
    share: ClassVar[bool] = True
    version: str = "1"

    def __call__(self, pictures: Pictures) -> list[Score]:
        return [Score({"share": float(x[..., self.channel].mean() > 128)}) for x in pictures.images]


def test_pictures_are_asked_of_every_judge():
    images = np.zeros((3, 2, 2, 3), np.uint8)
    images[0, ..., 0] = images[1, ..., 2] = images[2, ..., 1] = 255
    harm = Harm((Channel(0), Channel(2)))
    assert [s.values for s in harm(Pictures(images))] == [{"harm": 1.0}, {"harm": 1.0}, {"harm": 0.0}]
