"""An open image filter: concepts in clear text or as embeddings, with thresholds of your own.

Idea: as in Stable Diffusion's filter, a picture shows a concept when CLIP sees it close to the concept's
    vector; here a file names the concepts, says the words behind the vectors, and takes any CLIP.
Equations: for a view w of the picture, and the vectors R of a concept with threshold t,
    value = max over w, r in R of cos(CLIP(w), r) - t; shown from 0 on.
Differs: from the original (see `safety_checker`) in that nothing is rounded, no concept moves another's
    threshold, the value is returned and not only the verdict, and tiles of the picture are looked at too.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from safelight.clip import towers
from safelight.clip.concepts import Concept, read
from safelight.core.errors import BadInput
from safelight.core.nouns import Score
from safelight.core.ports import Preset, Reads

SHIPPED = Path(__file__).with_suffix(".toml")
"""For drawn pictures, with the miniature's own CLIP."""


@final
class ClipConcepts:
    """Judges pictures, uint8 [h, w, 3] of any size, by the concepts of a file.

    Labels are the concepts' names; values are cosines over the concept's threshold, in [-2, 2]. A preset of a
    concept's name looks at it alone. `boxes` say which view of the picture has the value.

    Args:
        file: TOML, see docs/design/safety-checker.md; by default what ships for the miniature.

    Raises:
        BadInput: the file, its CLIP or its embeddings are not here.
        Refused: with every problem of the file.
        Damaged: the CLIP's weights are not readable.
    """

    range = (-2.0, 2.0)
    reads: Reads = "image"

    def __init__(self, file: str | Path = SHIPPED) -> None:
        told = read(Path(file))
        self.name, self.version, self.views = told.name, told.version, told.views
        self.clip = towers.load(told.clip)
        self.any_model = told.clip != towers.MINIATURE
        self.concepts = [(self._rows(concept), concept.threshold) for concept in told.concepts]
        self.labels = tuple(concept.name for concept in told.concepts)
        self.presets = {label: Preset((label,), 0.0) for label in self.labels}
        self.presets["default"] = Preset(self.labels, 0.0)
        embeddings = [c.embeddings.read_bytes() for c in told.concepts if c.embeddings]
        parts = [told.digest, self.clip.content_hash, *(sha256(data).hexdigest() for data in embeddings)]
        self.content_hash = sha256(" ".join(parts).encode()).hexdigest()

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        return self._scores(items) if self.views is None else self.views.judge(self._scores, items)

    def _scores(self, images: Sequence[Any]) -> list[Score]:
        """Of whole pictures, or of single views."""
        return self.clip.scores(self.name, self.labels, images, self._read)

    def _read(self, v: Float[Tensor, "n d"]) -> Float[Tensor, "n labels"]:
        return torch.stack([(F.normalize(v) @ rows.T).max(1).values - t for rows, t in self.concepts], 1)

    def _rows(self, concept: Concept) -> Float[Tensor, "k d"]:
        """A concept's vectors, of length 1."""
        if concept.embeddings is None:
            return F.normalize(self.clip.texts(concept.texts))
        try:
            rows = load_file(concept.embeddings)[concept.name].float()
        except (OSError, SafetensorError, KeyError) as error:
            raise BadInput(
                f"{concept.embeddings} has no tensor '{concept.name}' ({error}): write one of [k, "
                f"{self.clip.width}] into a safetensors file"
            ) from error
        if rows.ndim != 2 or rows.shape[1] != self.clip.width or not rows.isfinite().all() or not len(rows):
            raise BadInput(
                f"'{concept.name}' in {concept.embeddings} must be finite, of [k, {self.clip.width}], k >= 1"
            )
        if (rows.norm(dim=1) == 0).any():
            raise BadInput(f"'{concept.name}' in {concept.embeddings} has a row of zeros, which never fires")
        return F.normalize(rows)
