"""Pictures on disk, each once, named by its content: `ab/abcdef….png`, lossless."""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from safelight.core.errors import BadInput, Damaged


def image_hash(image: UInt8[np.ndarray, "h w 3"]) -> str:
    """sha256 of the shape and the RGB pixels: the same for every encoder and level of PNG, unlike that of the
    file.
    """
    return sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def png(image: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """The picture, RGB, as the bytes of a file."""
    file = BytesIO()
    Image.fromarray(image, "RGB").save(file, "PNG")
    return file.getvalue()


class Images:
    """A folder of pictures by hash. Safe to share between databases and processes: files never change once
    there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise BadInput(
                f"cannot write pictures to {folder}: {error.strerror}; give a folder that is writable"
            ) from error

    def path(self, digest: str) -> Path:
        """Where the picture with this hash lies, present or not."""
        return self.folder / digest[:2] / f"{digest}.png"

    def put(self, image: UInt8[np.ndarray, "h w 3"]) -> str:
        """Store a picture, RGB; returns its hash. Complete or absent, even after a crash."""
        digest = image_hash(image)
        path = self.path(digest)
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
                Image.fromarray(image, "RGB").save(part, "PNG")
                part.flush()
                os.fsync(part.fileno())
            os.replace(part.name, path)
        return digest

    def get(self, digest: str) -> UInt8[np.ndarray, "h w 3"]:
        """Load a picture and check it against its name; Damaged when it is lost or changed."""
        path = self.path(digest)
        try:
            image = np.array(Image.open(path).convert("RGB"))
        except OSError as error:
            raise Damaged(
                f"picture {path} is missing or unreadable: {error}; run the benchmark again"
            ) from error
        if image_hash(image) != digest:
            raise Damaged(
                f"picture {path} is not the one that was stored; delete it and run the benchmark again"
            )
        return image
