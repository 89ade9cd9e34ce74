"""One training in several processes, each on a device of its own, as torchrun starts them.

Idea: all processes do the same, with the same draws, but the network's rows are shared out. Each predicts its
share of the rows of a call and gets the others' predictions; so sampling, which is nearly all of a training's
cost, is shared as well as learning, and neither `fit` nor an objective knows of it.

Equations: theta the weights, rows R = R_1 + .. + R_n, process k:
    e = [e(R_1), .., e(R_n)] in each process, of which e(R_k) has a gradient
    dL/dtheta = sum_k (dL/de(R_k)) (de(R_k)/dtheta), summed over the processes
Predictions and sums are the same bits everywhere, and so are the weights after each step. They differ from
those of one process by rounding, since rows are multiplied in other batches.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

from safelight.core.nouns import Cond
from safelight.core.ports import Backbone


@contextmanager
def joined() -> Iterator[None]:
    """For the length of the block this process is one of those that torchrun started, if it started any; all
    come to its end before one leaves it."""
    starts = int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized()
    if starts:
        cuda = torch.cuda.is_available()
        if cuda:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield
        if count() > 1:
            dist.barrier()
    finally:
        if starts:
            dist.destroy_process_group()


def count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0; the first one alone writes and speaks."""
    return dist.get_rank() if dist.is_initialized() else int(os.environ.get("RANK", "0"))


@contextmanager
def first_before_others() -> Iterator[None]:
    """The block runs in the first process and then, with its files there, in the others."""
    if rank() > 0 and count() > 1:
        dist.barrier()
    yield
    if rank() == 0 and count() > 1:
        dist.barrier()


def shared(model: Backbone) -> Backbone:
    """The model with its rows shared out among the processes; the model itself where there is one."""
    return cast("Backbone", _Shared(model)) if count() > 1 else model


@contextmanager
def summed(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Gradients that a backward pass leaves in here are the sums over all processes."""

    def add(parameter: nn.Parameter) -> None:
        dist.all_reduce(parameter.grad)

    together = parameters if count() > 1 else ()
    hooks = [parameter.register_post_accumulate_grad_hook(add) for parameter in together]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _Shared:
    """A backbone that predicts its share; in all else the model itself."""

    def __init__(self, model: Backbone):
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, x: Float[Tensor, "b c h w"], t: Tensor, cond: Cond) -> Float[Tensor, "b c h w"]:
        b, n, k = len(x), count(), rank()
        size = -(-b // n)
        # equal shares: where b is no multiple of n the last row is predicted again, and dropped
        mine = torch.arange(k * size, (k + 1) * size, device=x.device).clamp(max=b - 1)
        t = t.expand(b)[mine]
        own = self._model.predict(x[mine], t, cond.expand(b).map(lambda value: value[mine]))
        parts = [torch.empty_like(own) for _ in range(n)]
        dist.all_gather(parts, own.detach().contiguous())
        parts[k] = own
        return torch.cat(parts)[:b]
