"""Mixed precision: forward passes in bfloat16, everything that adds up in float32.

Weights, gradients, averages and the optimiser's state stay float32, since an update of size lr would be
rounded away; so do losses. Only the products of matrices in a forward pass, and with them those of its
backward pass, are taken in bfloat16.
"""

from __future__ import annotations

import torch

from safelight.core.errors import BadInput
from safelight.core.valid import one_of

PRECISIONS = ("float32", "bfloat16")


def native_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself; emulated it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    can = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))


def demand(precision: str, device: torch.device) -> None:
    """Raises UnknownName or BadInput unless forward passes in this precision gain anything here."""
    one_of("precision", precision, PRECISIONS)
    if precision == "bfloat16" and not native_bfloat16(device):
        raise BadInput(
            f"this {device.type} device only emulates bfloat16, slower than float32: set precision='float32'"
        )


def forward(precision: str, device: torch.device) -> torch.autocast:
    """Forward passes in here are in this precision.

    Nothing is cached: a cached bfloat16 copy of a weight would outlive a change of its values in here, as
    when the original's stand in for the student's.
    """
    on = precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=on, cache_enabled=False)
