"""How a long job tells its caller where it is; only the command line prints."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int, str], None]  # stage, done, total, note


def quiet(stage: str, done: int, total: int, note: str) -> None:
    """No report."""
