"""One thin file a model family. `backbone` finds the one that can drive a pipeline."""

from __future__ import annotations

from typing import Any

from safelight.core.errors import BadInput
from safelight.core.ports import Backbone
from safelight.diffusion.backbones.flux import Flux
from safelight.diffusion.backbones.sd import SD
from safelight.diffusion.backbones.sd3 import SD3
from safelight.diffusion.backbones.sdxl import SDXL

FAMILIES = (SD, SDXL, SD3, Flux)


def backbone(pipe: Any) -> Backbone:
    """The backbone of a diffusers pipeline, by the parts it has."""
    for family in FAMILIES:
        if family.drives(pipe):
            return family(pipe)
    raise BadInput(
        f"{type(pipe).__name__} is of no family that safelight can drive; it drives "
        + "; ".join(family.takes for family in FAMILIES)
    )
