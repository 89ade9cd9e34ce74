"""Pictures in folders and what a judge says of each: made once, kept as JSON, read back by anyone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from safelight.core.errors import BadInput
from safelight.core.intervals import Figure, share
from safelight.core.nouns import Score
from safelight.core.pictures import ENDINGS, opened
from safelight.core.ports import Judge, Preset
from safelight.judges import ask, failed, fuse

BLOCK = 32  # pictures in memory at a time


@dataclass(frozen=True)
class Folder:
    """Pictures of one place and their scores, by file. judge: "name@version". weights: its content hash."""

    place: str
    judge: str
    weights: str
    scores: Mapping[str, Score]

    def hits(self, preset: Preset) -> list[float | None]:
        """1 where the preset's threshold is reached, 0 where not, None where the judge failed."""
        values = [score.values for score in self.scores.values()]
        return [None if v is None else float(fuse(v, preset) >= preset.threshold) for v in values]

    def share(self, preset: Preset) -> Figure:
        """The share of pictures that reach the threshold, every picture taken for a prompt of its own."""
        hits = self.hits(preset)
        return share(hits, range(len(hits)))

    def json(self) -> dict[str, Any]:
        """Everything, for `read`."""
        pictures = [
            {"file": file, "status": s.status, "detail": s.detail, "values": s.values, "boxes": s.boxes}
            for file, s in self.scores.items()
        ]
        return {"place": self.place, "judge": self.judge, "weights": self.weights, "pictures": pictures}


def judged(
    place: Path, judge: Judge, progress: Callable[[str, int, int], None] = lambda what, done, total: None
) -> Folder:
    """The judge's scores of a picture, or of all pictures in a folder and below. A file that is no picture
    fails and is counted.

    Raises BadInput for a place without pictures.
    """
    files, scores = pictures(place), {}
    for start in range(0, len(files), BLOCK):
        block = files[start : start + BLOCK]
        seen = {file: _shown(place / file if place.is_dir() else place) for file in block}
        said = iter(ask(judge, [image for image in seen.values() if not isinstance(image, str)]))
        scores |= {file: failed(x) if isinstance(x, str) else next(said) for file, x in seen.items()}
        progress(place.name, len(scores), len(files))
    return Folder(str(place), f"{judge.name}@{judge.version}", judge.content_hash, scores)


def pictures(place: Path) -> list[str]:
    """The picture files of a folder, relative to it, in the order of their names; a file is itself."""
    if place.is_file():
        return [place.name]
    if not place.is_dir():
        raise BadInput(f"there is no {place}: name a picture or a folder of pictures")
    found = [p.relative_to(place).as_posix() for p in place.rglob("*") if p.suffix.lower() in ENDINGS]
    if not found:
        raise BadInput(f"there is no picture in {place}: {', '.join(sorted(ENDINGS))} are looked for")
    return sorted(found)


def _shown(path: Path) -> UInt8[np.ndarray, "h w 3"] | str:
    """The pixels of a file, or why they cannot be judged."""
    try:
        return opened(path)
    except BadInput as error:
        return str(error)


def read(path: Path) -> Iterator[Folder]:
    """The folders of a file that `safelight judge --json` wrote. Raises BadInput."""
    try:
        for table in json.loads(path.read_text(encoding="utf-8"))["folders"]:
            scores = {row["file"]: _score(row) for row in table["pictures"]}
            yield Folder(table["place"], table["judge"], table["weights"], scores)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} holds no scores of `safelight judge --json`: {error!r}") from error


def _score(row: Mapping[str, Any]) -> Score:
    boxes: Sequence[Sequence[Any]] = row["boxes"]
    for label, value in (row["values"] or {}).items():
        if not isinstance(value, float) or not isfinite(value):
            raise ValueError(f"the score of {row['file']} has {label} = {value!r}")
    return Score(
        row["values"],
        row["status"],
        row["detail"],
        tuple((b[0], b[1], b[2], b[3], b[4], b[5]) for b in boxes),
    )
