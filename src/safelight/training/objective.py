"""The seam between the trainer and what it minimises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Generator, Tensor, nn


class Objective(Protocol):
    """What `fit` may know of a training. Steps count from 0.

    Everything that `batch` and `loss` give must follow from the weights, the state, `step` and `rng` alone:
    that is why a checkpoint needs no random state and a resumed run makes the same bits.
    """

    @property
    def config(self) -> Mapping[str, Any]:
        """All that decides the result besides the plan, as JSON; checkpoints of another one are refused."""
        ...

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """What is trained, by names that stay the same from run to run."""
        ...

    def batch(self, step: int, rng: Generator) -> Any:
        """The data of one step, without gradients; `rng` is on the CPU and this step's own."""
        ...

    def loss(self, batch: Any) -> Mapping[str, Tensor]:
        """Scalars by name: "loss" is minimised, the others are only recorded."""
        ...

    def after_step(self) -> None:
        """Called after each change of the weights: averages, buffers."""
        ...

    def state_dict(self) -> Mapping[str, Tensor]:
        """What must survive besides the trained parameters: an average, a replay buffer."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Takes back what `state_dict` gave."""
        ...
