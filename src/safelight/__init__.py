"""safelight: make text-to-image models safe, and prove it."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

_LAZY = {"load": "safelight.diffusion.load", "Prompt": "safelight.core.nouns"}
"""Public names by the module that holds them: importing safelight loads no network library."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'safelight' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
