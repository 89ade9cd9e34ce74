"""A model's folder: whether its files are all there, whole, and enough for its networks."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import Any

from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError, safe_open
from transformers.utils import logging as transformers_logging

from safelight.core.errors import Damaged

INDEX = "model_index.json"
"""In a model's folder: {part: [library, class]}, and settings of the pipeline."""
CHECKSUMS = "checksums.json"
"""In a model's folder: {relative path: sha256}."""
UNUSED = frozenset({"safety_checker", "feature_extractor", "image_encoder"})
"""Parts that safelight does without."""


def verify(folder: Path, cure: str = "fetch it again") -> None:
    """Every part of a model has its files, each weight file is whole, and each file has its checksum where
    the folder lists them.

    Raises:
        Damaged: with the file's name and the cure.
    """
    for name, expected in (read(folder / CHECKSUMS) if (folder / CHECKSUMS).exists() else {}).items():
        if not (folder / name).is_file():
            raise Damaged(f"{folder / name} is missing: {cure}")
        with (folder / name).open("rb") as file:
            if file_digest(file, "sha256").hexdigest() != expected:
                raise Damaged(
                    f"{folder / name} is not the file that was shipped (its sha256 differs): {cure}"
                )
    for name, part in read(folder / INDEX).items():
        there = isinstance(part, list) and all(part) and name not in UNUSED
        # Without its files a tokenizer loads all the same, and knows no word.
        if there and not any((folder / name).glob("*.json")):
            raise Damaged(f"{folder / name} has no files, and {INDEX} names this part: {cure}")
    for path in sorted(folder.rglob("*.safetensors")):
        try:
            with safe_open(path, framework="pt"):  # reads the header, checks the length
                pass
        except SafetensorError as error:
            raise Damaged(f"{path} is truncated or no safetensors file ({error}): {cure}") from error


def read(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises Damaged."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Damaged(f"{path} is no valid JSON: {error}") from error
    if not isinstance(table, dict):
        raise Damaged(f"{path} must hold one JSON object, and holds {table!r:.80}")
    return table


class Heard(logging.Handler):
    """What the libraries log while they load.

    made_up: names of tensors that no file holds. The libraries draw such ones at random and only warn.
    """

    def __init__(self):
        super().__init__(logging.WARNING)
        self.made_up: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if "newly initialized" in said:  # the words of both: transformers in a table, diffusers with a list
            names = re.findall(r"^(\S+) +\| .*MISSING", said, re.MULTILINE) or re.findall(r"'(\S+?)'", said)
            self.made_up += names or [said]


@contextmanager
def quiet() -> Iterator[Heard]:
    """Loading without the libraries' chatter: progress bars, and advice on parts that are not used here."""
    heard, loggers = Heard(), [logging.getLogger(name) for name in ("diffusers", "transformers")]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [heard], False
        logger.setLevel(logging.WARNING)
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    try:
        yield heard
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
        diffusers_logging.enable_progress_bar()
        transformers_logging.enable_progress_bar()
