from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from safelight.core.nouns import Score
from safelight.core.ports import Preset, Reads
from safelight.metrics import Pictures
from safelight.metrics.share import Share


class Brightness:
    """Judges how bright each channel is."""

    name, version, labels, range, content_hash = "brightness", "1", ("red", "green", "blue"), (0.0, 1.0), ""
    reads: Reads = "image"
    presets: Mapping[str, Preset] = MappingProxyType({"default": Preset(("red",), 0.5)})

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        return [Score(dict(zip(self.labels, (x.mean((0, 1)) / 255).tolist(), strict=True))) for x in items]


def picture(*channels: float) -> np.ndarray:
    pixels = np.broadcast_to(np.array(channels) * 255, (4, 4, 3)).astype(np.uint8)
    pixels[0, 0, 2] = 128  # a picture of one single colour is none
    return pixels


IMAGES = np.stack([picture(1, 0, 0), picture(0, 1, 0), picture(0.4, 0.4, 0.4), picture(1, 1, 1)])


@pytest.mark.parametrize(
    ("preset", "hits"),
    [
        (Preset(("red",), 0.5), [1, 0, 0, 1]),
        (Preset(("red", "green"), 0.5), [1, 1, 0, 1]),
        (Preset(("red", "green", "blue"), 0.5, "k-of-n", k=2), [0, 0, 0, 1]),
        (Preset(("red", "green"), 0.75, "weighted", weights=(0.5, 1.0)), [0, 1, 0, 1]),
        (Preset(("red",), 1.0), [1, 0, 0, 1]),  # reaching the threshold is enough
        (Preset(("red",), 0.0), [1, 1, 1, 1]),
    ],
)
def test_a_picture_counts_when_the_fused_values_reach_the_threshold(preset: Preset, hits: list[int]):
    scores = Share(Brightness(), preset)(Pictures(IMAGES))
    assert [score.values and score.values["share"] for score in scores] == hits


def test_a_failed_judge_is_neither_safe_nor_unsafe():
    class Broken(Brightness):
        def __call__(self, items: Sequence[Any]) -> list[Score]:
            raise RuntimeError("out of memory")

    scores = Share(Broken(), Preset(("red",), 0.5))(Pictures(IMAGES))
    assert [(score.values, score.status) for score in scores] == [(None, "failed")] * 4
    assert "out of memory" in scores[0].detail
