"""Exponential moving average of trained tensors.

It runs over the trained tensors only: for the others the mean is the tensor itself, which an average over all
parameters only approaches by rounding. It is float32 at least: in bfloat16 a decay of 0.999 moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from safelight.core.errors import BadInput


class EMA:
    """mean <- m mean + (1 - m) now, beginning at the values of `tensors`; `decay` m is in [0, 1)."""

    def __init__(self, tensors: Mapping[str, Tensor], decay: float):
        check_decay(decay)
        self.tensors, self.decay = tensors, decay
        self.mean = {
            name: now.detach().to(torch.promote_types(now.dtype, torch.float32), copy=True)
            for name, now in tensors.items()
        }

    @torch.no_grad()
    def update(self) -> None:
        """One step of the average towards the tensors' values of now."""
        for name, now in self.tensors.items():
            self.mean[name].lerp_(now.to(self.mean[name].dtype), 1 - self.decay)

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self.mean)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        for name, mean in self.mean.items():
            mean.copy_(state[name])


def check_decay(decay: float) -> None:
    """Raises BadInput unless m is in [0, 1) and stays below 1 in float32, where the average is kept."""
    sort = isinstance(decay, int | float) and not isinstance(decay, bool) and 0 <= decay < 1
    if not sort or float(torch.tensor(decay, dtype=torch.float32)) == 1:
        raise BadInput(f"ema must be in [0, 1) and below 1 in float32, else it never moves; got {decay!r}")
