"""Training pairs made for many steps at once, of which each step takes its share.

For the fast schedule, `pairing="trajectory"`: a published program samples n ~ U{0..N-1} guided steps to train
on one latent, 2 (N - 1) / 2 rows of the network for each and 95 % of its cost. Here TRAJECTORIES guided
samplings go to the end, and each of their N latents is trained on once, with the solver's own time step: 2
rows for each. As before n is uniform. What differs is that the pairs of a buffer share few noises, and the
weights that sampled them; shuffled, a batch mixes trajectories and noise levels.

And where the original samples, so that no latent depends on the training: several published steps are drawn
in one batch, which is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Generator, Tensor

from safelight.core.errors import BadInput

TRAJECTORIES = 8
"""Sampled at once; with two rows each, what a GPU of 24 GB holds of Stable Diffusion."""
Tensors = Mapping[str, Tensor]
"""By name, all with the same first dimension."""


class Buffer:
    """Lasts for `steps` steps of `batch_size` items each, then is filled again. It is state: keep it in
    checkpoints."""

    def __init__(self, steps: int, batch_size: int):
        self.steps, self.batch_size = steps, batch_size
        self.tensors: dict[str, Tensor] = {}

    def take(self, step: int, fill: Callable[[], Tensors]) -> Tensors:
        """The items of a step; the steps come in their order."""
        at = step % self.steps
        if at == 0:
            self.tensors = dict(fill())
        share = slice(at * self.batch_size, (at + 1) * self.batch_size)
        return {name: value[share] for name, value in self.tensors.items()}

    def state_dict(self) -> Tensors:
        return self.tensors if self.steps > 1 else {}

    def load_state_dict(self, state: Tensors, device: torch.device) -> None:
        self.tensors = {name: value.to(device) for name, value in state.items()}


def lasting(timesteps: int, batch_size: int) -> int:
    """Steps that a buffer of whole trajectories lasts; what is left of it then is less than a batch."""
    pairs = TRAJECTORIES * timesteps
    if batch_size > pairs:
        raise BadInput(f"batch_size must be at most the {pairs} latents of a buffer, got {batch_size}")
    return pairs // batch_size


def shuffled(parts: Iterable[Tensors], rng: Generator) -> dict[str, Tensor]:
    """The parts as one, in random order."""
    made = list(parts)
    whole = {name: torch.cat([part[name] for part in made]) for name in made[0]}
    order = torch.randperm(len(next(iter(whole.values()))), generator=rng)
    return {name: value[order.to(value.device)] for name, value in whole.items()}
