"""Floor 4: a paper's table by one command: which rows, on which tasks, as data."""

from safelight.tables.layout import Layout, Row, is_table

__all__ = ["Layout", "Row", "is_table"]
