"""Any model x policies x task, on the same noise, resumable, with an interval on every figure."""

from safelight.benchmark.runner import BASE, bench
from safelight.benchmark.table import Cell, Table, grid, markdown

__all__ = ["BASE", "Cell", "Table", "bench", "grid", "markdown"]
