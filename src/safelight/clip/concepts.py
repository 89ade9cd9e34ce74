"""A concept file: what a CLIP is asked about every picture, as TOML; all its problems are said at once."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from safelight.clip.views import Views
from safelight.core.errors import BadInput, Refused, nearest

SCHEMA = 1
KEYS = ("schema", "name", "version", "clip", "tiles", "overlap", "concept")
OF_A_CONCEPT = ("name", "texts", "embeddings", "threshold")


@dataclass(frozen=True)
class Concept:
    """`texts`, or `embeddings`: a safetensors file that holds rows [k, d] under the concept's name.

    threshold: the cosine, in [-1, 1), from which on a picture shows the concept.
    """

    name: str
    threshold: float
    texts: tuple[str, ...] = ()
    embeddings: Path | None = None


@dataclass(frozen=True)
class ConceptFile:
    """clip: "miniature", a folder, or a hub id in the hub's cache. views: None for the whole picture alone.
    digest: of the file's bytes.
    """

    name: str
    version: str
    clip: str
    concepts: tuple[Concept, ...]
    views: Views | None
    digest: str


def read(path: Path) -> ConceptFile:
    """The content of a concept file.

    Raises:
        BadInput: it cannot be read, or is no TOML (with the line).
        Refused: with every problem of the content.
    """
    try:
        data = path.expanduser().read_bytes()
        table = tomllib.loads(data.decode())
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the concept file {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"the concept file {path} is no valid TOML: {error}") from error
    problems = _unknown(table, KEYS)
    if table.get("schema") != SCHEMA:
        problems.append(f"schema = {table.get('schema')!r}: this release reads schema = {SCHEMA}")
    problems += [
        f'it needs {key} = "..."' for key in ("name", "version", "clip") if not _text(table.get(key))
    ]
    views = None
    try:
        views = Views(table["tiles"], table.get("overlap", Views.overlap)) if "tiles" in table else None
    except BadInput as error:
        problems.append(str(error))
    entries = table.get("concept")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        problems.append("it needs at least one [[concept]]: a filter without concepts calls everything safe")
        entries = []
    for k, entry in enumerate(entries, 1):
        problems += [f"concept {k}: {problem}" for problem in _problems(entry)]
    twice = [name for name, n in Counter(str(entry.get("name")) for entry in entries).items() if n > 1]
    problems += [f"two concepts are called '{name}'" for name in twice]
    if problems:
        raise Refused([f"{path}: {problem}" for problem in problems])
    concepts = tuple(_concept(entry, path.parent) for entry in entries)
    return ConceptFile(
        table["name"], table["version"], table["clip"], concepts, views, sha256(data).hexdigest()
    )


def _concept(entry: Mapping[str, Any], folder: Path) -> Concept:
    rows = folder / entry["embeddings"] if "embeddings" in entry else None
    return Concept(entry["name"], float(entry["threshold"]), tuple(entry.get("texts", ())), rows)


def _problems(entry: Mapping[str, Any]) -> list[str]:
    problems = _unknown(entry, OF_A_CONCEPT)
    if not _text(entry.get("name")):
        problems.append('it needs name = "..."')
    if ("texts" in entry) == ("embeddings" in entry):
        problems.append("it needs either texts = [...] or embeddings = FILE.safetensors")
    texts = entry.get("texts", ["-"])
    if not isinstance(texts, list) or not texts or not all(map(_text, texts)):
        problems.append(f"texts = {texts!r:.80} must be a list of texts, none of them empty")
    if not _text(entry.get("embeddings", "-")):
        problems.append(f"embeddings = {entry['embeddings']!r:.80} must name a file")
    threshold = entry.get("threshold")
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not -1 <= threshold < 1:
        problems.append(f"threshold = {threshold!r:.80} must be a cosine in [-1, 1)")
    return problems


def _unknown(table: Mapping[str, Any], known: tuple[str, ...]) -> list[str]:
    return [f"unknown setting '{key}'. {nearest(key, known)}" for key in table if key not in known]


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
