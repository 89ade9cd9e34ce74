"""One thin file a model family. `backbone` finds the one that can drive a pipeline."""

from __future__ import annotations

from typing import Any

from safelight.core.errors import BadInput
from safelight.core.ports import Backbone
from safelight.diffusion.backbones.sd import SD


def backbone(pipe: Any) -> Backbone:
    """The backbone of a diffusers pipeline, by the parts it has."""
    if SD.drives(pipe):
        return SD(pipe)
    raise BadInput(
        f"{type(pipe).__name__} is of no family that safelight can drive; it drives Stable Diffusion 1 and 2 "
        "(a UNet with 4 latent channels, one CLIP text encoder, a VAE)"
    )
