"""What a generator is asked for and what it gives back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from safelight.core.errors import BadInput

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Sampling:
    """How pictures are sampled. Everything here is part of a run's protocol: it decides the bytes.

    guidance: s_g >= 1; 1 is no guidance. height, width: pixels. block: samples denoised together.
    """

    solver: str = "ddim"
    steps: int = 50
    guidance: float = 7.5
    height: int = 512
    width: int = 512
    dtype: str = "float32"
    block: int = 8

    def __post_init__(self):
        for name in ("steps", "height", "width", "block"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise BadInput(f"{name} must be a whole number of at least 1, got {value!r}")
        number = isinstance(self.guidance, int | float) and not isinstance(self.guidance, bool)
        if not (number and 1 <= self.guidance < math.inf):
            raise BadInput(
                f"guidance must be a finite number of at least 1 (1 = none), got {self.guidance!r}"
            )
        if self.dtype not in DTYPES:
            raise BadInput(f"dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")


@dataclass(frozen=True)
class Picture:
    """One finished sample. `image` is None exactly when `status` is failed: nothing unsound is ever decoded.

    image: [height, width, 3]. latent: [c, h, w], float32 on the CPU. reports: by method, what it did here.
    dropped: the end of the prompt that the text encoder did not see. ms: its share of the block's time.
    """

    image: UInt8[np.ndarray, "H W 3"] | None
    latent: Float[Tensor, "c h w"]
    seed: int
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ms: float = 0.0
    status: Literal["ok", "failed"] = "ok"
    detail: str = ""
    dropped: str = ""
