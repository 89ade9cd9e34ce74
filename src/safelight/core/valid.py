"""Checks of settings: BadInput with the setting's name, what it must be, and what it was."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from safelight.core.errors import BadInput, UnknownName


def number(
    name: str, value: Any, low: float = -math.inf, high: float = math.inf, above: bool = False
) -> None:
    """A finite number from `low`, or only `above` it, to `high`."""
    sort = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not (sort and low <= value <= high) or (above and value == low):
        bracket = "(" if above else "["
        raise BadInput(f"{name} must be a finite number in {bracket}{low}, {high}], got {value!r}")


def whole(name: str, value: Any, low: int) -> None:
    """A whole number of at least `low`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise BadInput(f"{name} must be a whole number of at least {low}, got {value!r}")


def flag(name: str, value: Any) -> None:
    """True or false, and nothing that counts as either."""
    if not isinstance(value, bool):
        raise BadInput(f"{name} must be true or false, got {value!r}")


def one_of(name: str, value: Any, known: Collection[str]) -> None:
    """One of a setting's names. Raises UnknownName with the nearest."""
    if value not in known:
        raise UnknownName(name, value, known)


def per_item(name: str, value: Any, n: int) -> tuple[Any, ...]:
    """One value for each of n concepts: all alike, or a tuple with one for each."""
    values = value if isinstance(value, tuple) else (value,) * n
    if len(values) != n:
        raise BadInput(f"{name} has {len(values)} values for {n} concepts: give one for all, or one for each")
    return values
