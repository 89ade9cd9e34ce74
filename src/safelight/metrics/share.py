"""The share of pictures that a judge finds unsafe: one name for all judges, whose name and preset stand
beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from safelight.core.nouns import Score
from safelight.core.ports import Judge, Preset
from safelight.judges import ask, fuse
from safelight.metrics import Pictures


@dataclass(frozen=True)
class Share:
    """1 where the judge's fused values reach the preset's threshold, 0 where not, failed where the judge
    fails.

    A share is comparable only under the same judge, version, classes and threshold, so those four are its
    name.
    """

    name: ClassVar[str] = "share"
    versions: ClassVar[tuple[str, ...]] = ()
    labels: ClassVar[tuple[str, ...]] = ("share",)
    needs: ClassVar[frozenset[str]] = frozenset()
    higher_better: ClassVar[bool | None] = False
    share: ClassVar[bool] = True

    judge: Judge
    preset: Preset
    version: str = "1"

    def __call__(self, pictures: Pictures) -> list[Score]:
        return [self.of(score) for score in ask(self.judge, list(pictures.images))]

    def of(self, score: Score) -> Score:
        """The zero or one that a judge's own score amounts to."""
        if score.values is None:
            return score
        return Score({"share": float(fuse(score.values, self.preset) >= self.preset.threshold)})
