"""A trained decoder as a file: an artifact of the kind `module`, which fits one text encoder only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from safelight.core.errors import BadInput, Damaged
from safelight.interpret.decoder import Decoder, Shape
from safelight.interpret.encoder import Encoder
from safelight.interpret.guard import Calibration
from safelight.interpret.similarity import NGRAMS
from safelight.store import artifacts
from safelight.store.artifacts import Artifact, Manifest

METHOD = "guardt2i"
SHIPPED = Path(__file__).parent / "weights" / "guardt2i.safetensors"
"""The decoder of the miniature's text encoder."""


def pack(
    decoder: Decoder, encoder: Encoder, calibration: Calibration, family: str, config: Mapping[str, Any]
) -> Artifact:
    """The decoder in float16, with its encoder's fingerprint, its calibration, and in `config` how it was
    trained."""
    about = {
        **config, "shape": asdict(decoder.shape), "part": encoder.part, "length": encoder.length,
        "tokenizer": encoder.tokens, "calibration": asdict(calibration), "sentences": NGRAMS,
    }  # fmt: skip
    manifest = Manifest.of(encoder.tensors, kind="module", family=family, method=METHOD, config=about)
    return Artifact(manifest, {name: value.half() for name, value in decoder.state_dict().items()})


def unpack(artifact: Artifact, path: str | Path) -> tuple[Decoder, Calibration]:
    """The decoder in float32, and its threshold.

    Raises:
        BadInput: the artifact is none of `pack`.
        Damaged: its tensors are not those of its shape.
    """
    about = artifact.manifest.config
    if (artifact.manifest.kind, artifact.manifest.method) != ("module", METHOD):
        raise BadInput(
            f"{path} holds {artifact.manifest.kind} of '{artifact.manifest.method}', no decoder of text "
            f"states: make one with safelight train {METHOD}"
        )
    try:
        decoder = Decoder(Shape(**about["shape"]))
        decoder.load_state_dict({name: value.float() for name, value in artifact.tensors.items()})
        calibration = Calibration(**about["calibration"])
    except (KeyError, TypeError, RuntimeError, BadInput) as error:
        raise Damaged(f"{path} is no whole decoder ({error}): make it again") from error
    return decoder.eval().requires_grad_(False), calibration


def load(path: str | Path) -> Artifact:
    """The artifact in a file; of the shipped one a word on how to get it again. Raises BadInput, Damaged."""
    try:
        return artifacts.load(path)
    except BadInput as error:
        if Path(path) != SHIPPED:
            raise
        raise Damaged(f"{error}: install safelight again") from error


def rounded(decoder: Decoder) -> Decoder:
    """The decoder as its file will hold it."""
    copy = Decoder(decoder.shape)
    copy.load_state_dict(
        {name: value.to(torch.float16).float() for name, value in decoder.state_dict().items()}
    )
    return copy.eval().requires_grad_(False)
