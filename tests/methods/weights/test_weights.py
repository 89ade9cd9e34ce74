"""Artifacts in the place of weights: applied as they are, refused elsewhere, gone afterwards, to the bit."""

from __future__ import annotations

import pytest
import torch

from safelight.core.errors import BadInput, Refused
from safelight.diffusion import patch, tiny
from safelight.diffusion.backbones import backbone
from safelight.diffusion.load import load
from safelight.diffusion.sampling import Sampling
from safelight.methods.weights.weights import Weights
from safelight.store.artifacts import Artifact, Manifest
from safelight.training.fit import Plan, fit
from safelight.training.sdd import SDD
from safelight.training.uce import UCE

SAMPLING = Sampling(steps=3, height=16, width=16)


def bits(model):
    return {name: value.detach().clone() for name, value in patch.tensors(model).items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def files(generator, tmp_path_factory):
    """Two edits of one model, and one made on top of the first."""
    folder = tmp_path_factory.mktemp("files")
    UCE(("nudity",)).edit(generator.backbone).save(folder / "first")
    UCE(("blood",), ("a cat",)).edit(generator.backbone).save(folder / "second")
    with Weights(str(folder / "first")).edit(generator.backbone):
        UCE(("blood",), ("a cat",)).edit(generator.backbone).save(folder / "on top")
    return {path.name: str(path) for path in folder.iterdir()}


def test_pictures_are_those_of_the_edited_model_and_every_bit_is_back(generator, files):
    before = bits(generator.backbone)
    method = Weights(files["first"])
    (ours,) = generator.run(["nudity"], [1], [method], SAMPLING)
    assert same(bits(generator.backbone), before)
    pipe = tiny.sd()
    values = {name.removeprefix("unet."): value for name, value in method.artifacts[0].tensors.items()}
    assert pipe.unet.load_state_dict(values, strict=False).unexpected_keys == []
    (edited,) = load(pipe).run(["nudity"], [1], (), SAMPLING)
    (plain,) = generator.run(["nudity"], [1], (), SAMPLING)
    assert torch.equal(ours.latent, edited.latent)
    assert not torch.equal(ours.latent, plain.latent)
    [said] = ours.reports["weights"]["artifacts"]
    assert (said["made by"], said["config"]["edit_concepts"]) == ("uce", ["nudity"])


def test_every_bit_is_back_after_an_error(generator, files):
    before = bits(generator.backbone)

    def fail():
        with Weights(files["first"]).edit(generator.backbone):
            assert not same(bits(generator.backbone), before)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert same(bits(generator.backbone), before)


def test_two_files_on_the_same_tensors_need_an_order(generator, files):
    before = bits(generator.backbone)
    entries = [Weights(files["first"]), Weights(files["second"])]
    with pytest.raises(Refused, match=r"an earlier entry changed it.*one entry, file = \[\.\.\.\]"):
        generator.run(["a cat"], [1], entries, SAMPLING)
    assert same(bits(generator.backbone), before)
    both = Weights((files["first"], files["second"]))
    first, second = (artifact.tensors for artifact in both.artifacts)
    with both.edit(generator.backbone):
        for name, value in bits(generator.backbone).items():
            if name in first:
                wanted = first[name].double() + second[name].double() - before[name].double()
                assert torch.equal(value, wanted.float())
    assert same(bits(generator.backbone), before)


def test_a_file_made_on_top_of_another_follows_it(generator, files):
    on_top = Weights(files["on top"])
    with Weights(files["first"]).edit(generator.backbone), on_top.edit(generator.backbone):
        held = bits(generator.backbone)
        assert all(torch.equal(held[name], value) for name, value in on_top.artifacts[0].tensors.items())
    with pytest.raises(Refused, match="it was made of other weights"), on_top.edit(generator.backbone):
        pass


def test_another_model_is_refused(files):
    for pipe, message in [
        (tiny.sd(seed=1), "8 of 8 tensors have another hash, the first unet"),
        (tiny.sdxl(), "it was made of a model of the family sd, and this one is sdxl"),
    ]:
        edit = Weights(files["first"]).edit(backbone(pipe))
        with pytest.raises(Refused, match=f"'weights', .*first: .*{message}"), edit:
            pass


def test_the_same_model_in_half_precision_takes_the_edit_cast_last(files):
    method = Weights(files["first"])
    for dtype in (torch.float16, torch.bfloat16):
        model = backbone(tiny.sd().to(dtype))
        before = bits(model)
        with method.edit(model):
            held = bits(model)
            for name, value in method.artifacts[0].tensors.items():
                assert torch.equal(held[name], value.to(dtype))
        assert same(bits(model), before)


def test_a_delta_is_added(generator, tmp_path):
    name = "unet.conv_in.bias"
    W = bits(generator.backbone)[name]
    manifest = Manifest.of({name: W}, kind="delta", family="sd", method="test", config={})
    Artifact(manifest, {name: torch.full_like(W, 0.5)}).save(path := tmp_path / "d")
    with Weights(str(path)).edit(generator.backbone):
        assert torch.equal(bits(generator.backbone)[name], (W.double() + 0.5).float())


def test_without_a_file_or_with_another_kind_it_says_so(generator, tmp_path):
    with pytest.raises(Refused, match="'weights': it has no weights to apply: name an artifact"):
        generator.run(["a cat"], [1], [Weights()], SAMPLING)
    with pytest.raises(BadInput, match="cannot be read"):
        Weights(str(tmp_path / "none"))
    UCE(("red",)).map(generator.backbone).save(tmp_path / "map")
    with pytest.raises(BadInput, match="is of the kind map; 'weights' takes full, delta, lora"):
        Weights(str(tmp_path / "map"))


def test_what_was_trained_is_applied_by_the_same_names(generator, tmp_path):
    with SDD(generator.backbone, "rain", ema=0.5, solver_steps=5) as sdd:
        plan = Plan(steps=2, lr=1e-2)
        fit(sdd, plan, tmp_path)
        student = bits(generator.backbone)
        sdd.result(plan).save(tmp_path / "sdd")
    before = bits(generator.backbone)
    with Weights(str(tmp_path / "sdd")).edit(generator.backbone):
        taught = bits(generator.backbone)
    moved = [name for name in before if not torch.equal(before[name], student[name])]
    assert moved
    assert all("unet" in name and "attn2" in name for name in moved)
    for name in before:
        halfway = (taught[name] - before[name]).norm() <= (student[name] - before[name]).norm()
        assert halfway if name in moved else torch.equal(taught[name], before[name])
    assert any(not torch.equal(taught[name], before[name]) for name in moved)
