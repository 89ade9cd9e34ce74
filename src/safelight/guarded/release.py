"""What leaves the door: pictures with their decisions, or without a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from safelight.core.errors import BadInput
from safelight.core.nouns import WITHHELD, Decision, Outcome, Prompt
from safelight.guarded.decide import stopped
from safelight.store.images import image_hash


@dataclass(frozen=True)
class Guarded:
    """One picture that was asked for. `image` is None where the outcome is block or review.

    prompt: as the user wrote it. row, k: the k-th picture of the row-th prompt. reports: by method, what it
    did. dropped: the end of the prompt that the model's text encoder does not read.
    """

    sample: str
    prompt: Prompt
    row: int
    k: int
    seed: int
    image: Image.Image | None
    outcome: Outcome
    decisions: tuple[Decision, ...]
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    dropped: str = ""
    ms: float = 0.0

    def save(self, folder: str | Path) -> Path | None:
        """Writes the picture, if there is one, as PROMPT-K-HASH.png; another picture never has that name."""
        if self.image is None:
            return None
        path = Path(folder) / f"{self.row + 1}-{self.k + 1}-{image_hash(np.asarray(self.image))[:8]}.png"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.image.save(path)
        except OSError as error:
            raise BadInput(
                f"cannot write {path}: {error.strerror}; name a folder that is writable"
            ) from error
        return path

    def as_dict(self) -> dict[str, Any]:
        """Everything but the pixels, for JSON; without the text where the hard stop refused it."""
        plain = {
            key: getattr(self, key) for key in ("sample", "row", "k", "seed", "outcome", "dropped", "ms")
        }
        return plain | {
            "prompt": None if stopped(self.decisions) else self.prompt.text,
            "decisions": [asdict(decision) for decision in self.decisions],
            "reports": self.reports,
        }


@dataclass(frozen=True)
class Result:
    """All pictures of a request, in the order of the prompts and within a prompt of k."""

    pictures: Sequence[Guarded]

    def save(self, folder: str | Path) -> list[Path]:
        """Writes the released pictures and `result.json` to a folder; returns the pictures' paths."""
        paths = [picture.save(folder) for picture in self.pictures]
        rows = [
            picture.as_dict() | {"file": path and path.name}
            for picture, path in zip(self.pictures, paths, strict=True)
        ]
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            document = json.dumps(rows, indent=1, ensure_ascii=False)
            (Path(folder) / "result.json").write_text(document + "\n", encoding="utf-8")
        except OSError as error:
            raise BadInput(
                f"cannot write to {folder}: {error.strerror}; name a folder that is writable"
            ) from error
        return [path for path in paths if path is not None]


def shown(pixels: np.ndarray, outcome: Outcome) -> Image.Image | None:
    """What the user gets to see of a finished picture under this outcome."""
    if outcome in WITHHELD:
        return None
    image = Image.fromarray(pixels)
    if outcome is Outcome.BLUR:
        return image.filter(ImageFilter.GaussianBlur(min(image.size) / 8))
    return placeholder(image.size) if outcome is Outcome.REPLACE else image


def placeholder(size: tuple[int, int]) -> Image.Image:
    """A plain card in the picture's size, with a word where there is room for one."""
    card = Image.new("RGB", size, (228, 228, 231))
    pen = ImageDraw.Draw(card)
    pen.text((size[0] / 2, size[1] / 2), "withheld", (113, 113, 122), anchor="mm", font_size=size[1] / 6)
    return card
