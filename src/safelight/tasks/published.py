"""A published file of prompts: on disk or on the hub, read by its ending, and told apart by its hash."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from safelight.core.errors import BadInput, nearest

Lines = Sequence[Mapping[str, str]]
"""The rows of a table by the names of its columns."""


def located(where: str | Path) -> Path:
    """The file at a path, or of the hub's data set OWNER/NAME or OWNER/NAME/FILE, fetched or cached.

    Raises BadInput when there is none, or when the data set has several and none is named.
    """
    path = Path(where).expanduser()
    if path.is_file():
        return path
    owner, name, inner = [*str(where).split("/", 2), "", ""][:3]
    if not owner or not name:
        raise BadInput(
            f"there is no file {where}: give a path, or OWNER/NAME[/FILE] of a data set on the hub"
        )
    wanted = [inner] if inner else [f"*{ending}" for ending in FORMS]
    folder = _fetched(f"{owner}/{name}", wanted)
    found = [path for path in sorted(folder.rglob("*")) if any(path.match(form) for form in wanted)]
    if len(found) != 1:
        listed = ", ".join(path.relative_to(folder).as_posix() for path in found) or "none"
        raise BadInput(
            f"{where} must have one file of prompts and has {listed}: give one as {owner}/{name}/FILE"
        )
    return found[0]


def _fetched(dataset: str, files: Sequence[str]) -> Path:
    """The folder of a data set in the hub's own cache."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(dataset, repo_type="dataset", allow_patterns=list(files)))
    except (OSError, ValueError) as error:  # what the hub's errors are
        first = str(error).partition("\n")[0]
        raise BadInput(f"there is no file {dataset}, and the hub did not give it: {first}") from error


def read(path: Path) -> tuple[bytes, Lines]:
    """A file's bytes and rows. Raises BadInput for one that cannot be read as what its ending says."""
    if path.suffix not in FORMS:
        raise BadInput(f"{path.name} is none of {', '.join(FORMS)}")
    try:
        data = path.read_bytes()
        return data, FORMS[path.suffix](data.decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise BadInput(f"{path.name} cannot be read: {error}") from error


def column(names: str | Sequence[str], lines: Lines, file: str) -> str:
    """The first of these names, under which a column goes in one copy or another, that the table has."""
    known = lines[0] if lines else {}
    spelled = [names] if isinstance(names, str) else names
    for name in spelled:
        if name in known:
            return name
    raise BadInput(f"{file} has no column '{' or '.join(spelled)}'. {nearest(spelled[0], known)}")


def _csv(text: str) -> Lines:
    return _table(text)


def _tsv(text: str) -> Lines:
    """Without quoting, as PartiPrompts is written."""
    return _table(text, delimiter="\t", quoting=csv.QUOTE_NONE)


def _table(text: str, **written: Any) -> Lines:
    """What a short row lacks is empty."""
    return list(csv.DictReader(StringIO(text, newline=""), restval="", **written))


def _lines(text: str) -> Lines:
    return [{"prompt": line} for line in text.splitlines()]


def _json(text: str) -> Lines:
    """{prompt: what is said of it}, as DPOK writes DrawBench."""
    table = json.loads(text)
    return [{"prompt": prompt} for prompt in table] if isinstance(table, dict) else []


FORMS: Mapping[str, Callable[[str], Lines]] = {".csv": _csv, ".tsv": _tsv, ".txt": _lines, ".json": _json}
