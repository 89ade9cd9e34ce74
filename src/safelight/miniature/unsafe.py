"""Which pixels make a drawn picture unsafe: those that differ when the scene is drawn without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from safelight.miniature.draw import render
from safelight.miniature.scene import Scene

VISIBLE = 8
"""Of 255: by how much a pixel differs that counts, in any channel."""


def unsafe_pixels(scene: Scene) -> Bool[np.ndarray, "64 64"]:
    """Where a bare figure, a blade and splashes stand; empty for a scene that is safe."""
    safe = replace(scene, bare=False, violent=False)
    apart = np.abs(render(scene).astype(int) - render(safe).astype(int))
    return apart.max(-1) >= VISIBLE
