"""Rows of the network: what a method costs, on any machine."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from safelight.core.ports import Backbone


class Meter:
    """Counts what a model's network predicts inside a `with` block: a row for each sample and text."""

    def __init__(self, model: Backbone):
        self.model, self._rows = model, 0

    def __enter__(self) -> Self:
        self._hook = self.model.net.register_forward_hook(self._count)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hook.remove()

    def take(self) -> int:
        """The rows since it was asked last."""
        rows, self._rows = self._rows, 0
        return rows

    def _count(self, net: Any, args: Any, out: Any) -> None:
        self._rows += len(out[0])
