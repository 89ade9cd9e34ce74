"""What image hooks repair a picture with: the policy's judges, and the model under the policy's methods."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Bool, UInt8

from safelight.core.nouns import WITHHELD, Prompt, strictest
from safelight.core.ports import Judge, Preset
from safelight.core.records import noise_seed
from safelight.diffusion.generator import Generator
from safelight.diffusion.inpaint import inpaint
from safelight.diffusion.sampling import Sampling
from safelight.guarded.decide import on_prompt
from safelight.policies import Bound


@dataclass(frozen=True)
class Studio:
    """`safelight.core.ports.Studio`: the `ctx` of image hooks."""

    generator: Generator
    sampling: Sampling
    bound: Bound
    seed: int = 0

    def of(self, seed: int, image: UInt8[np.ndarray, "h w 3"]) -> Self:
        """For one picture."""
        height, width = image.shape[:2]
        return replace(self, seed=seed, sampling=replace(self.sampling, height=height, width=width))

    def judge(self, spec: str) -> tuple[Judge, Preset]:
        return self.bound.asked[spec]

    def draw(self, prompt: Prompt, k: int = 0) -> UInt8[np.ndarray, "h w 3"] | None:
        if (passed := self._passed(prompt)) is None:
            return None
        [made] = self.generator.run([passed], [self._noise(k)], self.bound.methods, self.sampling)
        return made.image

    def inpaint(
        self, image: UInt8[np.ndarray, "h w 3"], where: Bool[np.ndarray, "h w"], prompt: Prompt, k: int = 0
    ) -> UInt8[np.ndarray, "h w 3"] | None:
        if (passed := self._passed(prompt)) is None:
            return None
        methods = self.bound.methods
        return inpaint(self.generator, image, where, passed, self._noise(k), methods, self.sampling)

    def _passed(self, prompt: Prompt) -> Prompt | None:
        """The prompt as a user's own would go on to the model, if it would."""
        written, decisions = on_prompt(prompt, self.bound)
        return None if strictest(d.outcome for d in decisions) in WITHHELD else written

    def _noise(self, k: int) -> int:
        return self.seed if k == 0 else noise_seed("repair", self.seed, k)
