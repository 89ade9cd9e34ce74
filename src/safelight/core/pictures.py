"""What may be shown to whatever reads pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

LONGEST = 16
"""Long side over short side: beyond, a picture is hardly seen, and fitting it would take gigabytes."""


def unreadable(item: Any) -> str:
    """Why an item is no picture that can be judged, uint8 [h, w, 3]; empty if it is one."""
    if not isinstance(item, np.ndarray):
        return f"pictures are uint8 [h, w, 3], got {type(item).__name__}"
    if item.dtype != np.uint8 or item.ndim != 3 or item.shape[2] != 3 or 0 in item.shape:
        return f"pictures are uint8 [h, w, 3], got {item.dtype} {list(item.shape)}"
    if max(item.shape[:2]) > LONGEST * min(item.shape[:2]):
        return f"a picture of {item.shape[1]} x {item.shape[0]} pixels is hardly seen: cut it into pieces"
    return ""
