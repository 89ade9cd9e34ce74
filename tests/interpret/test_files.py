"""A decoder's file: small, whole, and for one text encoder."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import pytest
import torch

from safelight.core.errors import BadInput, Damaged
from safelight.interpret.encoder import MINIATURE, load
from safelight.interpret.files import SHIPPED, rounded, unpack
from safelight.interpret.files import load as read
from safelight.interpret.guard import Guard
from safelight.store import artifacts


def test_what_is_written_is_read_back(learned, encoder, tmp_path):
    learned.save(tmp_path / "a.safetensors")
    artifact = artifacts.load(tmp_path / "a.safetensors")
    encoder.demand(artifact.manifest, "a")
    decoder, calibration = unpack(artifact, "a")
    for name, value in rounded(decoder).state_dict().items():
        assert torch.equal(value, artifact.tensors[name].float())
    assert calibration.n == 24
    assert calibration.rejected <= 6


def test_another_kind_of_artifact_and_missing_parts_are_named(learned):
    with pytest.raises(BadInput, match="make one with safelight train guardt2i"):
        unpack(replace(learned, manifest=replace(learned.manifest, kind="full")), "a")
    fewer = {name: value for name, value in learned.tensors.items() if name != "bias"}
    with pytest.raises(Damaged, match="no whole decoder"):
        unpack(replace(learned, tensors=fewer), "a")
    config = {key: value for key, value in learned.manifest.config.items() if key != "calibration"}
    with pytest.raises(Damaged, match="calibration"):
        unpack(replace(learned, manifest=replace(learned.manifest, config=config)), "a")


def test_the_shipped_decoder_is_whole_small_and_the_miniature_s():
    sums = json.loads((SHIPPED.parent / "checksums.json").read_text())
    assert {path.name for path in SHIPPED.parent.iterdir()} == {*sums, "checksums.json"}
    for name, expected in sums.items():
        assert sha256((SHIPPED.parent / name).read_bytes()).hexdigest() == expected
    assert SHIPPED.stat().st_size < 4_000_000
    artifact = read(SHIPPED)
    own = load(MINIATURE, "text_encoder", 77)
    own.demand(artifact.manifest, SHIPPED)
    decoder, calibration = unpack(artifact, SHIPPED)
    assert calibration.rejected / calibration.n <= 0.05 < calibration.hi
    [reading] = Guard(own, decoder).worst(["a photo of a red cat on the beach"])
    assert {"red", "cat"} <= {*reading.interpretation.split()}
    assert reading.accepted(calibration.threshold)
