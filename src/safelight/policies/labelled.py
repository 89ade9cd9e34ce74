"""Your own pictures with what is on them: a folder with a subfolder for each label, or a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from safelight.core.errors import BadInput
from safelight.core.pictures import ENDINGS


def labelled(source: Path) -> list[tuple[Path, str]]:
    """Picture files and their labels: those of a folder's subfolders, which are the labels, or the rows of a
    csv or jsonl file with `path` and `label`, paths being relative to it.

    Raises BadInput for what cannot be read, and for files that are not there.
    """
    if source.is_dir():
        found = [
            (path, folder.name)
            for folder in sorted(source.iterdir()) if folder.is_dir()
            for path in sorted(folder.rglob("*")) if path.suffix.lower() in ENDINGS
        ]  # fmt: skip
        if not found:
            raise BadInput(
                f"{source} has no pictures in subfolders: one subfolder a label, such as safe, unsafe"
            )
        return found
    rows = list(_rows(source))
    if incomplete := [k for k, row in enumerate(rows, 1) if not row.get("path") or not row.get("label")]:
        raise BadInput(f"{source}, row {incomplete[0]}: it needs a path and a label")
    found = [(source.parent / row["path"], row["label"]) for row in rows]
    if absent := [path for path, _ in found if not path.is_file()]:
        raise BadInput(
            f"{source} lists {absent[0]}, which is not there ({len(absent)} of {len(found)} are not)"
        )
    return found


def _rows(source: Path) -> Iterator[dict[str, str]]:
    try:
        with source.open(encoding="utf-8", newline="") as file:
            if source.suffix == ".csv":
                yield from csv.DictReader(file)
            elif source.suffix == ".jsonl":
                yield from (json.loads(line) for line in file if line.strip())
            else:
                raise BadInput(f"{source} is neither a folder nor a .csv or .jsonl file with path and label")
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadInput(f"{source} cannot be read: {error}") from error
