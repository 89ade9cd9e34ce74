"""Partial sampling: the latents that a training sees on the way from noise, by stopping the loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from safelight.core.nouns import Cond, Step
from safelight.core.ports import Backbone, Solver
from safelight.diffusion.denoise import denoise


def rollout(
    model: Backbone,
    solver: Solver,
    rows: Mapping[str, Cond],
    x: Float[Tensor, "b c h w"],
    scale: float,
    rngs: Sequence[Generator] | None = None,
) -> Iterator[tuple[Float[Tensor, "b c h w"], Step]]:
    """Each step from noise `x` to the end, behind the network's input at it. Args: as of `denoise`."""
    x_in = solver.scale_input(x, 0)
    for step in denoise(model, solver, rows, x, scale=scale, rngs=rngs):
        yield x_in, step
        if step.i + 1 < len(solver.timesteps):
            x_in = solver.scale_input(step.next, step.i + 1)


def stopped(
    model: Backbone,
    solver: Solver,
    rows: Mapping[str, Cond],
    x: Float[Tensor, "b c h w"],
    scale: float,
    after: Sequence[int],
    rngs: Sequence[Generator],
    start: int = 0,
) -> Float[Tensor, "b c h w"]:
    """Each sample after its own number of steps from iteration `start`, as the network's input; the clean
    latent where that is the end.

    A sample that has arrived leaves the batch, so no row is predicted that nobody needs; only a solver with
    memory takes all samples to the largest number.
    """
    last = len(solver.timesteps)
    if start + max(after) > last:
        raise ValueError(f"a run of {last} steps ends before step {start + max(after)}")
    rows = {name: cond.expand(len(x)) for name, cond in rows.items()}
    arrived: dict[int, Tensor] = {}
    going, i = list(range(len(x))), start
    for n in sorted(set(after)):
        conds = {name: cond.map(lambda value: value[going]) for name, cond in rows.items()}  # noqa: B023
        path = denoise(model, solver, conds, x, scale=scale, rngs=[rngs[j] for j in going], start=i)
        for step in islice(path, start + n - i):
            x = step.next
        i = start + n
        x_in = solver.scale_input(x, i) if i < last else x
        arrived |= {j: x_in[k] for k, j in enumerate(going) if after[j] == n}
        if not solver.memory:
            stay = [k for k, j in enumerate(going) if after[j] > n]
            x, going = x[stay], [going[k] for k in stay]
    return torch.stack([arrived[j] for j in range(len(after))])
