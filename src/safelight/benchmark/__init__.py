"""Any model x policies x task, on the same noise, resumable, with an interval on every figure."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safelight.benchmark.runner import BASE, bench
    from safelight.benchmark.table import Cell, Table, facts, grid, markdown, ruled, spelled

__all__ = ["BASE", "Cell", "Table", "bench", "facts", "grid", "markdown", "ruled", "spelled"]


def __getattr__(name: str) -> Any:
    """Names are fetched when asked for: to read a table takes no networks."""
    if name not in __all__:
        raise AttributeError(f"module 'safelight.benchmark' has no attribute '{name}'")
    return getattr(
        import_module(f"safelight.benchmark.{'runner' if name in ('BASE', 'bench') else 'table'}"), name
    )
