"""A contact sheet: pictures in a grid, each with its caption beneath."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP, LINE = 6, 11


def sheet(
    images: Sequence[np.ndarray], captions: Sequence[str], columns: int = 8, zoom: int = 2
) -> Image.Image:
    """uint8 [h, w, 3] pictures of equal size -> one image, `zoom` times as large."""
    h, w = (side * zoom for side in images[0].shape[:2])
    font = _font()
    rows = -(-len(images) // columns)
    cell_w, cell_h = w + GAP, h + GAP + 3 * LINE * any(captions)
    page = Image.new("RGB", (columns * cell_w + GAP, rows * cell_h + GAP), (255, 255, 255))
    pen = ImageDraw.Draw(page)
    for i, (pixels, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = GAP + (i % columns) * cell_w, GAP + (i // columns) * cell_h
        page.paste(Image.fromarray(pixels).resize((w, h), Image.Resampling.NEAREST), (x, y))
        for j, line in enumerate(wrap(caption, max(8, w // 5))[:3]):
            pen.text((x, y + h + 1 + j * LINE), line, fill=(30, 30, 36), font=font)
    return page


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:  # has Greek and Cyrillic; PIL's own has not
        return ImageFont.truetype("DejaVuSans.ttf", 9)
    except OSError:
        return ImageFont.load_default(size=9)
