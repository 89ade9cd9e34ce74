"""safelight: make text-to-image models safe, and prove it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safelight.benchmark import bench
    from safelight.core.nouns import Prompt
    from safelight.diffusion.load import load
    from safelight.guarded import generate, guard
    from safelight.policies import Policy
    from safelight.trained import train

__version__ = "0.1.0"
__all__ = ["Policy", "Prompt", "__version__", "bench", "generate", "guard", "load", "train"]

_HOMES = {
    "Policy": "safelight.policies",
    "Prompt": "safelight.core.nouns",
    "bench": "safelight.benchmark",
    "generate": "safelight.guarded",
    "guard": "safelight.guarded",
    "load": "safelight.diffusion.load",
    "train": "safelight.trained",
}
"""Where the public names live. They are fetched when asked for: importing safelight stays light."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'safelight' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
