"""Exports under plain diffusers: the bits of the method `weights`, or as near as the rank allows."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from safelight.core.errors import BadInput, Refused
from safelight.diffusion import patch, tiny
from safelight.diffusion.load import load
from safelight.methods.weights.weights import Weights
from safelight.store import artifacts
from safelight.store.artifacts import Artifact, Manifest
from safelight.trained import train
from safelight.trained.export import LORA, Lora, export, low_rank


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model as a hub would give it: with a checker in its index that is not there."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny.sd().save_pretrained(folder)
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "safelight.json").write_text(json.dumps({"steps": 2, "guidance": 5.0}))
    (folder / "unet" / "old.bin").write_bytes(b"what plain diffusers must not find")
    return folder


@pytest.fixture(scope="module")
def file(folder, tmp_path_factory):
    """A change of rank 3 in the keys and values, of a convolution, and of one bias."""
    backbone, rng = load(str(folder)).backbone, torch.Generator().manual_seed(0)
    names = ("attn2.to_k.weight", "attn2.to_v.weight", "conv_in.weight", "conv_out.bias")
    base = {name: value for name, value in patch.tensors(backbone).items() if name.endswith(names)}
    base = {name: value.detach() for name, value in base.items() if name.startswith("unet")}

    def changed(value):
        if value.dim() == 1:
            return value + 1e-3
        a, b = (torch.randn(n, 3, generator=rng) for n in (len(value), value.flatten(1).shape[1]))
        return value + 0.1 * (a @ b.T).reshape(value.shape)

    manifest = Manifest.of(base, kind="full", family="sd", method="test", config={})
    path = tmp_path_factory.mktemp("files") / "made.safetensors"
    Artifact(manifest, {name: changed(value) for name, value in base.items()}).save(path)
    return str(path)


def drawn(pipe) -> Any:
    pipe.set_progress_bar_config(disable=True)
    seeded = torch.Generator().manual_seed(7)
    given = {"num_inference_steps": 2, "guidance_scale": 5.0, "generator": seeded}
    return pipe("a cat", output_type="latent", **given).images[0]


def test_the_folder_is_the_edited_model_for_plain_diffusers(folder, file, tmp_path):
    assert export(file, str(folder), tmp_path / "full") is None
    model = load(str(folder))
    [erased] = model.run(["a cat"], [7], [Weights(file)])
    [plain] = model.run(["a cat"], [7])
    [ours] = load(str(tmp_path / "full")).run(["a cat"], [7])
    theirs = drawn(StableDiffusionPipeline.from_pretrained(tmp_path / "full"))
    assert torch.equal(ours.latent, erased.latent)
    assert torch.equal(theirs, erased.latent)
    assert not torch.equal(plain.latent, erased.latent)
    assert [path for path in (tmp_path / "full").rglob("*") if path.suffix == ".bin"] == []
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_a_lora_of_enough_rank_is_the_change_but_for_the_bias(folder, file, tmp_path):
    found = export(file, str(folder), tmp_path / "lora", lora=3)
    assert found is not None
    assert found.left_out == ("unet.conv_out.bias",)
    assert 0 < found.error < 0.05
    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    plain = drawn(pipe)
    pipe.load_lora_weights(tmp_path / "lora")
    near = drawn(pipe)
    [erased] = load(str(folder)).run(["a cat"], [7], [Weights(file)])
    assert (near - erased.latent).norm() < 0.05 * (plain - erased.latent).norm()


@pytest.mark.parametrize("group", ["esd-x", "esd-u"])
def test_what_was_trained_as_a_lora_is_written_as_it_is(folder, tmp_path, group):
    """Also with convolutions. Plain diffusers draws the same with the export and with the artifact."""
    path = tmp_path / "esd.safetensors"
    settings = {"concept": "blood", "group": group, "lora": 2, "steps": 2, "lr": 0.1, "solver_steps": 4}
    made = train("esd", str(folder), path, **settings)
    found = export(path, str(folder), tmp_path / "lora", lora=2)
    assert found == Lora(2, 0.0, ())
    written, artifact = load_file(tmp_path / "lora" / LORA), artifacts.load(path)
    assert written.keys() == artifact.tensors.keys()
    assert all(torch.equal(value, artifact.tensors[name]) for name, value in written.items())
    model = load(str(folder))
    [plain], [erased] = (model.run(["a cat"], [7], methods) for methods in ((), [Weights(str(made.path))]))
    for place, name in ((tmp_path / "lora", LORA), (tmp_path, path.name)):
        pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
        pipe.load_lora_weights(place, weight_name=name)
        theirs = drawn(pipe)
        assert (theirs - erased.latent).norm() < 1e-5 * erased.latent.norm()
        assert (theirs - plain.latent).norm() > 1e-2 * plain.latent.norm()
        pixels = pipe.vae.decode(theirs[None] / pipe.vae.config.scaling_factor).sample[0].detach()
        seen = ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        assert (seen == erased.image).all()
    smaller = export(path, str(folder), tmp_path / "smaller", lora=1)
    assert smaller is not None
    assert 0 < smaller.error < 1


def test_the_error_told_is_that_of_the_product(folder, file, tmp_path):
    found = export(file, str(folder), tmp_path / "lora", lora=1)
    assert found is not None
    tensors = load_file(tmp_path / "lora" / LORA)
    held, missed, total = patch.tensors(load(str(folder)).backbone), 0.0, 0.0
    for name, new in Weights(file).artifacts[0].tensors.items():
        D = (new - held[name].detach()).double()
        layer = name.removesuffix(".weight")
        if f"{layer}.lora_A.weight" in tensors:
            A, B = (tensors[f"{layer}.lora_{k}.weight"].double().flatten(1) for k in "AB")
            assert A.shape[0] == B.shape[1] == 1
            missed += float((D.flatten(1) - B @ A).square().sum())
        else:
            missed += float(D.square().sum())
        total += float(D.square().sum())
    assert found.error == pytest.approx((missed / total) ** 0.5, rel=1e-4)


def test_a_rank_beyond_a_matrix_is_filled_with_zeros():
    D = torch.randn(5, 2, generator=torch.Generator().manual_seed(0)).double()
    tensors, found = low_rank({"unet.a.weight": D}, 4)
    A, B = tensors["unet.a.lora_A.weight"], tensors["unet.a.lora_B.weight"]
    assert (A.shape, B.shape, found.error) == ((4, 2), (5, 4), 0)
    assert torch.allclose(B @ A, D.float(), atol=1e-6)


def test_what_changes_no_matrix_is_no_lora():
    with pytest.raises(BadInput, match="changes no matrix"):
        low_rank({"unet.a.bias": torch.ones(3).double(), "unet.b.weight": torch.zeros(2, 2).double()}, 1)


def test_another_base_a_map_and_a_full_folder_are_refused(folder, file, tmp_path):
    other = tmp_path / "other"
    tiny.sd(seed=1).save_pretrained(other)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("keep me")
    with pytest.raises(Refused, match="tensors have another hash"):
        export(file, str(other), tmp_path / "out")
    with pytest.raises(BadInput, match="is there already"):
        export(file, str(folder), tmp_path / "taken")
    with pytest.raises(BadInput, match="lora must be a whole number"):
        export(file, str(folder), tmp_path / "out", lora=0)
    with pytest.raises(BadInput, match="made of a model's folder"):
        export(file, load(tiny.sd()), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "taken"]
