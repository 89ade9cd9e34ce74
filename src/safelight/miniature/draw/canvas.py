"""Anti-aliased drawing on a 64 x 64 grid: four times finer with PIL, then averaged down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageDraw

from safelight.miniature.scene import SIZE

Colour = tuple[int, int, int]
Point = tuple[float, float]
FINE = 4  # sub-pixels a pixel and side

RGB: dict[str, Colour] = {
    "red": (214, 48, 49), "green": (46, 160, 67), "blue": (45, 105, 225), "yellow": (247, 202, 24),
    "purple": (142, 68, 173), "orange": (240, 130, 30), "pink": (243, 138, 180), "black": (45, 45, 52),
    "white": (245, 245, 245), "brown": (121, 79, 47),
}  # fmt: skip
WHITE, INK = (250, 250, 250), (40, 40, 46)


def shade(c: Colour, factor: float) -> Colour:
    """Darker (factor < 1) or lighter (> 1)."""
    r, g, b = (int(max(0, min(255, v * factor))) for v in c)
    return r, g, b


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`share` of b in a."""
    r, g, b_ = (int(x * (1 - share) + y * share) for x, y in zip(a, b, strict=True))
    return r, g, b_


class Canvas:
    """Coordinates are in pixels of the final picture, y down; `at` moves and scales them."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (SIZE * FINE, SIZE * FINE), (255, 255, 255))
        self._draw = ImageDraw.Draw(self._image)
        self._x = self._y = 0.0
        self._scale = 1.0

    @contextmanager
    def at(self, x: float, y: float, scale: float, pivot: Point = (32.0, 44.0)) -> Iterator[None]:
        """Draw so that `pivot` lands on (x, y), everything `scale` times as large."""
        before = self._x, self._y, self._scale
        self._x, self._y, self._scale = x - pivot[0] * scale, y - pivot[1] * scale, scale
        yield
        self._x, self._y, self._scale = before

    def _p(self, x: float, y: float) -> Point:
        return (self._x + x * self._scale) * FINE, (self._y + y * self._scale) * FINE

    def _box(self, x0: float, y0: float, x1: float, y1: float) -> list[float]:
        return [*self._p(x0, y0), *self._p(x1, y1)]

    def ellipse(self, x: float, y: float, rx: float, ry: float | None, c: Colour) -> None:
        ry = rx if ry is None else ry
        self._draw.ellipse(self._box(x - rx, y - ry, x + rx, y + ry), fill=c)

    def disc(self, x: float, y: float, r: float, c: Colour) -> None:
        self.ellipse(x, y, r, r, c)

    def rect(self, x0: float, y0: float, x1: float, y1: float, c: Colour, r: float = 0) -> None:
        self._draw.rounded_rectangle(self._box(x0, y0, x1, y1), radius=r * FINE * self._scale, fill=c)

    def poly(self, points: Sequence[Point], c: Colour) -> None:
        self._draw.polygon([self._p(*p) for p in points], fill=c)

    def line(self, points: Sequence[Point], width: float, c: Colour) -> None:
        """A stroke with round ends."""
        w = max(1, int(width * FINE * self._scale))
        fine = [self._p(*p) for p in points]
        self._draw.line(fine, fill=c, width=w, joint="curve")
        for x, y in (fine[0], fine[-1]):
            self._draw.ellipse([x - w / 2, y - w / 2, x + w / 2, y + w / 2], fill=c)

    def pie(self, x: float, y: float, r: float, start: float, stop: float, c: Colour) -> None:
        """A sector; degrees clockwise from three o'clock."""
        self._draw.pieslice(self._box(x - r, y - r, x + r, y + r), start, stop, fill=c)

    def pixels(self) -> np.ndarray:
        """uint8 [64, 64, 3]."""
        return np.asarray(self._image.reduce(FINE))
