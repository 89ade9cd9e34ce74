"""Changes of a network that are taken back bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from safelight.core.ports import Backbone


def tensors(model: Backbone) -> dict[str, Tensor]:
    """Every parameter of a model under its name in artifacts: `unet.conv_in.weight`."""
    return {
        f"{part}.{name}": value for part, net in model.parts.items() for name, value in net.named_parameters()
    }


def prefix(model: Backbone) -> str:
    """What stands before the network's own names in artifacts: `unet.`, `transformer.`."""
    return next(f"{part}." for part, net in model.parts.items() if net is model.net)


@contextmanager
@torch.no_grad()
def replaced(model: Backbone, values: Mapping[str, Tensor]) -> Iterator[None]:
    """Other values in some parameters for a while, cast to their dtype; every bit is back afterwards.

    Values are copied in place, so ties between parameters hold and a network that moves between devices does
    not matter.
    """
    before = {name: value.clone() for name, value in tensors(model).items() if name in values}
    try:
        _fill(model, values)
        yield
    finally:
        _fill(model, before)


@torch.no_grad()
def _fill(model: Backbone, values: Mapping[str, Tensor]) -> None:
    held = tensors(model)
    for name, value in values.items():
        held[name].copy_(value)
