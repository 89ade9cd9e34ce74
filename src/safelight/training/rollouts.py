"""Partial sampling: the latents that a training sees on the way from noise, by stopping the loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from safelight.core.nouns import Cond
from safelight.core.ports import Backbone, Solver
from safelight.diffusion.denoise import denoise


def rollout(
    model: Backbone,
    solver: Solver,
    rows: Mapping[str, Cond],
    x: Float[Tensor, "b c h w"],
    scale: float,
    rngs: Sequence[Generator] | None = None,
    start: int = 0,
) -> Iterator[Float[Tensor, "b c h w"]]:
    """The network's input after 0, 1, 2, ... steps from solver iteration `start`; last, the clean latent.

    Args: as of `denoise`. Without gradients.
    """
    yield solver.scale_input(x, start)
    for step in denoise(model, solver, rows, x, scale=scale, rngs=rngs, start=start):
        following = step.i + 1
        yield solver.scale_input(step.next, following) if following < len(solver.timesteps) else step.next


def stopped(trajectory: Iterable[Float[Tensor, "b c h w"]], after: Sequence[int]) -> Float[Tensor, "b c h w"]:
    """Each sample of a batched rollout after its own number of steps; runs no further than the largest."""
    kept: dict[int, Tensor] = {}
    for done, x in enumerate(trajectory):
        kept |= {j: x[j] for j, n in enumerate(after) if n == done}
        if len(kept) == len(after):
            return torch.stack([kept[j] for j in range(len(after))])
    raise ValueError(f"the rollout ended before step {max(after)}")
