"""Where a judgement comes from: which pixels of a picture, which words of a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from safelight.core.errors import SafelightError
from safelight.core.ports import Judge, Preset
from safelight.judges import ask, believed

BATCH = 64
"""Items that a judge is given at once."""

Value = Callable[[Sequence[Any]], Float[np.ndarray, " n"]]
"""f: one number an item, the larger the worse."""


class Unjudged(SafelightError):
    """The judge could not say what it thinks of an item."""


def value_of(judge: Judge, preset: Preset) -> Value:
    """A judge's fused value, in its own units, as f. It raises Unjudged instead of guessing."""

    def value(items: Sequence[Any]) -> Float[np.ndarray, " n"]:
        scores = [score for a in range(0, len(items), BATCH) for score in ask(judge, items[a : a + BATCH])]
        if silent := [score.detail for score in scores if score.values is None]:
            raise Unjudged(f"{judge.name} on {len(silent)} of {len(items)} items: {silent[0]}")
        try:
            return np.array([believed(judge, preset, s.values) for s in scores if s.values is not None])
        except ValueError as error:
            raise Unjudged(str(error)) from error

    return value
