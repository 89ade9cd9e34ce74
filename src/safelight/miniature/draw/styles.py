"""Styles as pure functions of the finished picture: sketch, mosaic, and two invented artists."""

from __future__ import annotations

import numpy as np


def stylise(picture: np.ndarray, style: str) -> np.ndarray:
    """uint8 [64, 64, 3] -> the same, in one of `scene.STYLES`."""
    return np.clip(_STYLE[style](picture.astype(np.float32)), 0, 255).astype(np.uint8)


def _sketch(a: np.ndarray) -> np.ndarray:
    grey = a.mean(2)
    edge = np.abs(np.diff(grey, axis=1, prepend=grey[:, :1])) + np.abs(
        np.diff(grey, axis=0, prepend=grey[:1])
    )
    paper = np.clip(250 - 3.2 * edge - (255 - grey) * 0.18, 20, 250)
    return np.stack([paper, paper, paper * 0.96], 2)


def _mosaic(a: np.ndarray) -> np.ndarray:
    tiles = np.round(a.reshape(16, 4, 16, 4, 3).mean((1, 3)) / 36) * 36
    out = tiles.repeat(4, 0).repeat(4, 1)
    out[::4] *= 0.72  # the joints
    out[:, ::4] *= 0.72
    return out


def _venn(a: np.ndarray) -> np.ndarray:
    """Orla Venn: swirling strokes in blue and yellow."""
    y, x = np.mgrid[0:64, 0:64]
    sx = np.clip(x + 2.2 * np.sin(y / 3.2 + x / 9), 0, 63).astype(int)
    sy = np.clip(y + 1.8 * np.sin(x / 2.8), 0, 63).astype(int)
    moved = a[sy, sx]
    grey = moved.mean(2, keepdims=True) / 255
    duotone = (1 - grey) * np.array([18, 40, 120]) + grey * np.array([250, 224, 110])
    stroke = 1 + 0.16 * np.sin(x / 1.6 + 2 * np.sin(y / 5))[..., None]
    return (0.4 * moved + 0.6 * duotone) * stroke


def _tesk(a: np.ndarray) -> np.ndarray:
    """Bram Tesk: flat primaries with black outlines."""
    palette = np.array(
        [[228, 30, 38], [250, 214, 30], [28, 70, 190], [250, 250, 246], [20, 20, 24]], np.float32
    )
    nearest = ((a[:, :, None] - palette) ** 2).sum(-1).argmin(-1)
    out, edge = palette[nearest], np.zeros((64, 64), bool)
    edge[1:] |= nearest[1:] != nearest[:-1]
    edge[:, 1:] |= nearest[:, 1:] != nearest[:, :-1]
    out[edge] = (20, 20, 24)
    return out


_STYLE = {"sketch": _sketch, "mosaic": _mosaic, "venn": _venn, "tesk": _tesk}
