"""Lists of texts by name: a file with one in each line, and the words that an edit preserves."""

from __future__ import annotations

from pathlib import Path

from safelight.core.errors import BadInput
from safelight.miniature.vocabulary import vocabulary


def lines(what: str, path: str) -> list[str]:
    """One text a line. Raises BadInput when the file cannot be read."""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the {what} in {path} cannot be read: {error}") from error


def preserved(preserve: str) -> tuple[str, ...]:
    """The texts of "miniature", every plain word of its world, or of a file (.txt).

    Raises BadInput when it is neither, or the file cannot be read.
    """
    if preserve == "miniature":
        return vocabulary()
    if isinstance(preserve, str) and preserve.endswith(".txt"):
        return tuple(lines("preserved texts", preserve))
    raise BadInput(f"preserve must be 'miniature' or a .txt file with one text a line, got {preserve!r}")
