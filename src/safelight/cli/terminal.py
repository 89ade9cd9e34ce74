"""What all commands share: errors and exit codes, JSON, tables, progress."""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from cyclopts import App, CycloptsError, Parameter, Token
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from safelight.core.errors import BadInput, Refused, SafelightError

if TYPE_CHECKING:
    from safelight.core.intervals import Figure

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def _whole(_: Any, tokens: Sequence[Token]) -> int:
    """A whole number. cyclopts alone would round: "1.5" to 2."""
    if not re.fullmatch(r"[+-]?[0-9]+", text := tokens[0].value):
        raise ValueError(f"'{text}' is no whole number")
    return int(text)


Whole = Annotated[int, Parameter(converter=_whole)]
Number = Annotated[Whole, Parameter(alias="-n")]
"""How many; `-n` for short."""
Flag = Annotated[bool, Parameter(negative=())]
"""A switch that has no --no- form."""


class Move(Protocol):
    """Moves the bar of `what`; the note stands beside it."""

    def __call__(self, what: str, done: float, total: float, note: str = "") -> None: ...


def command(name: str) -> App:
    """The frame of one command; its function goes under `@app.default`."""
    app = App(name=name, help_format="plaintext", version_flags=[], suppress_keyboard_interrupt=False)
    app["--help"].show = False
    return app


def execute(app: App, arguments: Sequence[str]) -> int:
    """Runs a command; whatever was raised on purpose becomes a sentence and an exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = _note
        try:
            return (
                app(arguments, exit_on_error=False, print_error=False, result_action="return_value") or DONE
            )
        except CycloptsError as error:
            say(f"{error}\n{' '.join(app.name)} --help explains the options.")
            return USAGE
        except (BadInput, Refused) as error:
            say(error)
            return USAGE
        except SafelightError as error:
            say(error)
            return FAILED
        except KeyboardInterrupt:
            say("stopped")
            return INTERRUPTED


def alone(function: Callable[..., int | None], name: str) -> None:
    """Runs a function as a program of its own."""
    app = command(name)
    app.default(function)
    sys.exit(execute(app, sys.argv[1:]))


def in_dtype(model: str, dtype: str | None) -> Any:
    """The model to work with, loaded here only where a dtype is asked for."""
    if dtype is None:
        return model
    from safelight.diffusion.load import load

    return load(model, dtype=dtype)


def writable(path: Path) -> None:
    """Raises BadInput if a file cannot be written. To be asked before the work whose result it will hold."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a"):
            pass
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}; name a file that is writable") from error


def made(folder: Path) -> None:
    """Makes a folder where there is none. Raises BadInput if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"cannot write to {folder}: {error.strerror}; name a folder that is writable"
        ) from error


def say(text: object) -> None:
    """A sentence for the person at the terminal; data goes to standard output."""
    print(text, file=sys.stderr)


def emit(document: Any) -> None:
    """The one JSON document of `--json`."""
    print(json.dumps(document, indent=1, ensure_ascii=False, default=str))


def show(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table: ruled on a terminal, Markdown in a pipe or file."""
    if not sys.stdout.isatty():
        for line in (header, ["---"] * len(header), *rows):
            print("| " + " | ".join(str(cell).replace("\n", " ") for cell in line) + " |")
        return
    table = Table(*header, header_style="bold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console().print(table)


def written(figure: Figure, share: bool = True) -> str:
    """A figure with its interval; a share in percent."""
    if figure.value is None:
        return "-"
    scale, unit = (100, " %") if share else (1, "")
    ends = "" if figure.lo is None else f" [{scale * figure.lo:.1f}, {scale * (figure.hi or 0):.1f}]"
    return f"{scale * figure.value:.1f}{unit}{ends}"


@contextmanager
def progress() -> Iterator[Move]:
    """A function (what, done, total, note) that moves a bar on standard error; silent where that is no
    terminal."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        known: dict[str, TaskID] = {}

        def move(what: str, done: float, total: float, note: str = "") -> None:
            if what not in known:
                known[what] = bars.add_task(what, total=total)
            bars.update(known[what], completed=done, total=total, description=f"{what} {note}".rstrip())

        yield move


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    say(f"note: {message}")
