"""Shape annotations as runtime checks: while the tests run, `Float[Tensor, "b c h w"]` must be true.

pytest's option --jaxtyping-packages (pyproject.toml) puts `check` around every function of the package. Other
annotations are basedpyright's work: protocols, for one, cannot be checked at run time.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import isclass
from typing import Any, get_args

from beartype import beartype
from jaxtyping import AbstractArray


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """beartype, for the annotations that hold an array's shape."""
    function.__annotations__ = {k: hint for k, hint in function.__annotations__.items() if has_shape(hint)}
    return beartype(function)


def has_shape(hint: Any) -> bool:
    """Also inside `X | None` or `Sequence[X]`. A name imported for type checkers alone is still a string."""
    if isclass(hint) and issubclass(hint, AbstractArray):
        return True
    return any(has_shape(inner) for inner in get_args(hint))
