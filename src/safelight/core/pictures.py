"""Pictures as judges may be shown them: read from anybody's file, and what is none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from safelight.core.errors import BadInput

if TYPE_CHECKING:
    from jaxtyping import UInt8

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""Of the names of picture files, in small letters."""
DEEP = ("I", "F")  # modes of 16 or 32 bits a channel, which Pillow would clip
LONGEST = 16
"""Long side over short side: beyond, a picture is hardly seen, and fitting it would take gigabytes."""


def opened(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """A picture's pixels as people see them: turned as its camera says, and on white where it is transparent.

    Raises BadInput for what has no one meaning as 8-bit RGB: animations, and 16 or 32 bits a channel.
    """
    try:
        with Image.open(path) as file:
            if getattr(file, "n_frames", 1) > 1:
                raise BadInput(f"{path} is an animation: give single pictures")
            if file.mode.startswith(DEEP):
                raise BadInput(
                    f"{path} has more than 8 bits a channel ({file.mode}): convert it to 8-bit RGB"
                )
            shown = ImageOps.exif_transpose(file).convert("RGBA")
    except BadInput:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInput(f"{path} is no readable picture: {error}") from error
    white = Image.new("RGBA", shown.size, "white")
    return np.array(Image.alpha_composite(white, shown).convert("RGB"))


def unreadable(item: Any) -> str:
    """Why an item is no picture that can be judged, uint8 [h, w, 3]; empty if it is one."""
    if not isinstance(item, np.ndarray):
        return f"pictures are uint8 [h, w, 3], got {type(item).__name__}"
    if item.dtype != np.uint8 or item.ndim != 3 or item.shape[2] != 3 or 0 in item.shape:
        return f"pictures are uint8 [h, w, 3], got {item.dtype} {list(item.shape)}"
    if max(item.shape[:2]) > LONGEST * min(item.shape[:2]):
        return f"a picture of {item.shape[1]} x {item.shape[0]} pixels is hardly seen: cut it into pieces"
    return ""
