"""What is read back is what was written; anything else is refused by name."""

from __future__ import annotations

import json
from hashlib import sha256

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from safelight.core.errors import BadInput, Damaged
from safelight.store import artifacts
from safelight.store.artifacts import Artifact, Manifest, tensor_hash

BASE = {"unet.a.weight": torch.tensor([[1.0, 0.1], [3.0, -2.0]]), "unet.b.weight": torch.tensor([0.3])}


def made(**fields):
    options = {"kind": "full", "family": "sd", "method": "uce", "config": {"lamb": 0.5}} | fields
    tensors = {name: 2 * value for name, value in BASE.items()}
    return Artifact(Manifest.of(BASE, **options), tensors)


def test_round_trip(tmp_path):
    artifact = made(run="r1")
    artifact.save(tmp_path / "a.safetensors")
    back = artifacts.load(tmp_path / "a.safetensors")
    assert back.manifest == artifact.manifest
    assert back.content == artifact.content
    assert {name: value.tolist() for name, value in back.tensors.items()} == {
        name: value.tolist() for name, value in artifact.tensors.items()
    }
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_the_hash_is_of_float32_values_row_by_row():
    tensor = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    expected = sha256(np.array([1, 2, 3, 4], "<f4").tobytes()).hexdigest()
    assert tensor_hash(tensor) == tensor_hash(tensor.half()) == tensor_hash(tensor.double()) == expected
    assert tensor_hash(tensor.T) != expected  # other values row by row, though the memory is the same
    assert tensor_hash(tensor.T.contiguous().T) == expected


def test_only_the_base_fits_in_the_dtype_it_was_loaded_in():
    manifest = made().manifest
    assert manifest.misfits("sd", BASE) == []
    assert manifest.misfits("sd", {name: value.half() for name, value in BASE.items()}) == []
    assert manifest.misfits("sd", {name: value.bfloat16() for name, value in BASE.items()}) == []
    # bfloat16 values that stand in a float32 model are another model: 0.1 has lost its last bits.
    [why] = manifest.misfits("sd", {name: value.bfloat16().float() for name, value in BASE.items()})
    assert "2 of 2 tensors have another hash, the first unet.a.weight (float32)" in why
    [why] = manifest.misfits("sd", BASE | {"unet.b.weight": torch.tensor([0.30001])})
    assert "1 of 2 tensors have another hash, the first unet.b.weight" in why
    assert manifest.misfits("sdxl", BASE) == ["it was made of a model of the family sd, and this one is sdxl"]
    [why] = manifest.misfits("sd", {"unet.a.weight": BASE["unet.a.weight"]})
    assert why == "it needs unet.b.weight, which this model has not got"


@pytest.mark.parametrize("length", [0, 7, 200, -1])
def test_truncated(tmp_path, length):
    made().save(path := tmp_path / "a.safetensors")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(Damaged, match=r"a\.safetensors is truncated or no safetensors file"):
        artifacts.load(path)


def test_altered(tmp_path):
    made().save(path := tmp_path / "a.safetensors")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged, match="was altered"):
        artifacts.load(path)


def test_foreign(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file(dict(BASE), path)
    with pytest.raises(Damaged, match="is no artifact: it has no manifest"):
        artifacts.load(path)
    save_file(dict(BASE), path, {"safelight": json.dumps({"schema": 2, "kind": "soup"})})
    with pytest.raises(Damaged, match=r"none that this release reads .*kind: .*schema: "):
        artifacts.load(path)
    torch.save(BASE, path)
    with pytest.raises(Damaged, match="no safetensors file"):
        artifacts.load(path)
    with pytest.raises(BadInput, match="cannot be read"):
        artifacts.load(tmp_path / "none.safetensors")


def test_tensors_that_the_manifest_does_not_name(tmp_path):
    artifact = made()
    Artifact(artifact.manifest, {"unet.c": torch.ones(1)}).save(path := tmp_path / "a.safetensors")
    with pytest.raises(Damaged, match="are not those of its manifest"):
        artifacts.load(path)


def test_what_is_not_finite_is_not_written_and_what_was_there_stays(tmp_path):
    made().save(path := tmp_path / "a.safetensors")
    before = path.read_bytes()
    broken = Artifact(made().manifest, {"unet.a.weight": torch.tensor([float("nan")])})
    with pytest.raises(BadInput, match=r"unet\.a\.weight is not finite: nothing was written"):
        broken.save(path)
    assert path.read_bytes() == before
    with pytest.raises(BadInput, match="cannot write"):
        made().save(tmp_path / "none" / "a.safetensors")
