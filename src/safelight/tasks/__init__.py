"""Benchmark tasks: versioned data files that say which prompts are drawn, how, and what is measured."""

from safelight.tasks.task import Row, Task

__all__ = ["Row", "Task"]
