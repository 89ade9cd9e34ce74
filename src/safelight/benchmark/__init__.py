"""Any model x policies x task, on the same noise, resumable, with an interval on every figure."""

from safelight.benchmark.runner import BASE, bench
from safelight.benchmark.table import Cell, Table, facts, grid, markdown, ruled

__all__ = ["BASE", "Cell", "Table", "bench", "facts", "grid", "markdown", "ruled"]
