"""The most memory that is held at one time: what a method costs besides rows and seconds."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import torch

FORGET, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
"""Linux: writing 5 to the first sets VmHWM in the second, the peak, to what is resident now (proc(5))."""


class Peak:
    """Bytes held at most while a `with` block ran, all that was there before included: tensors on a GPU, the
    whole process on a CPU. None where the system does not tell, as outside Linux.
    """

    bytes: int | None = None

    def __init__(self, device: torch.device):
        self.device = device

    def __enter__(self) -> Self:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        self._fresh = self.device.type == "cpu" and _forgotten()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.device.type == "cuda":
            self.bytes = torch.cuda.max_memory_allocated(self.device)
        elif self._fresh:
            [line] = [line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
            self.bytes = 1024 * int(line.split()[1])  # "VmHWM:   123456 kB"


def _forgotten() -> bool:
    """Whether the peak until now is forgotten."""
    try:
        FORGET.write_text("5")
    except OSError:  # no Linux, or one that does not allow it
        return False
    return True
