"""Every error that safelight raises on purpose. Messages name the thing and say what would make it work.

SafelightError
├── BadInput          a value that cannot be used (also a ValueError)
│   └── UnknownName   a name that nobody registered, with the nearest ones that somebody did
├── Refused           a combination that cannot run: every problem at once
└── Damaged           weights or data on disk that are not what they should be
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class SafelightError(Exception):
    """Base of all errors raised on purpose; the command line prints its text and exits with 2."""


class BadInput(SafelightError, ValueError):
    """A value that cannot be used. The text names the argument, the value and the allowed range."""


class UnknownName(BadInput):
    """`name` is no `kind` among `known`."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"unknown {kind} '{name}'. {nearest(name, self.known)}")


class Refused(SafelightError):
    """A combination that cannot run. `problems` holds one sentence each, the text one line each."""

    def __init__(self, problems: Sequence[str]):
        self.problems = tuple(problems)
        super().__init__("\n".join(["this cannot run:", *(f"  - {problem}" for problem in self.problems)]))


class Damaged(SafelightError):
    """A file is truncated, altered or missing. The text names the file and how to get a good one."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The second half of an error about an unknown name: a guess if one is near, else the whole list."""
    names = sorted(known)
    if close := get_close_matches(str(name), names, 1):
        return f"Did you mean '{close[0]}'?"
    return f"Known: {', '.join(names)}." if names else "None is registered."
