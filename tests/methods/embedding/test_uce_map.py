"""A map on the text states gives the predictions of the edited network."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from safelight.core.errors import BadInput, Refused
from safelight.core.nouns import Prompt
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.diffusion.load import load
from safelight.diffusion.sampling import Sampling
from safelight.methods.embedding.uce_map import UCEMap
from safelight.methods.guidance.sld import SLD
from safelight.methods.weights.weights import Weights
from safelight.training.uce import UCE

SAMPLING = Sampling(steps=3, height=16, width=16)
EDITS = {
    "erase": UCE(("nudity",)),
    "replace": UCE(("a gun",), ("a flower",), ("cat", "dog"), "2023"),
    "moderate": UCE(("violence", "nudity"), (" ",), recipe="2023", concept_type="unsafe"),
}


@pytest.mark.parametrize("family", ["sd", "sdxl"])
@pytest.mark.parametrize("edit", EDITS)
def test_predictions_are_those_of_the_weight_edit(family, edit, tmp_path):
    pipe = tiny.FAMILIES[family]()
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.double()
    model = backbone(pipe)
    EDITS[edit].map(model).save(tmp_path / "map")
    EDITS[edit].edit(model).save(tmp_path / "weights")
    mapped, weights = UCEMap(str(tmp_path / "map")), Weights(str(tmp_path / "weights"))
    x = torch.randn(1, 4, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for text in ("nudity", "a cat with a gun", ""):
        cond, t = model.encode([text]), torch.tensor(500)
        with torch.no_grad():
            ours = model.predict(x, t, mapped.embed(cond, "prompt", Prompt(text)))
            plain = model.predict(x, t, cond)
            with weights.edit(model):
                theirs = model.predict(x, t, cond)
        assert (ours - theirs).abs().max() <= 1e-10
        if text:
            assert (theirs - plain).abs().max() > 1e-3


def test_all_rows_of_a_run_are_mapped(generator, tmp_path):
    UCE(("nudity", "blood"), ("a cat",), recipe="2023").map(generator.backbone).save(tmp_path / "map")
    UCE(("nudity", "blood"), ("a cat",), recipe="2023").edit(generator.backbone).save(tmp_path / "weights")
    sld = SLD("a weapon", sld_warmup_steps=0)
    asked = [Prompt("nudity", "blood")], [1]
    (ours,) = generator.run(*asked, [UCEMap(str(tmp_path / "map")), sld], SAMPLING)
    (theirs,) = generator.run(*asked, [Weights(str(tmp_path / "weights")), sld], SAMPLING)
    (plain,) = generator.run(*asked, [sld], SAMPLING)
    assert (ours.latent - theirs.latent).abs().max() < 1e-3 * theirs.latent.abs().max()
    assert (plain.latent - theirs.latent).abs().max() > 1e-2 * theirs.latent.abs().max()
    assert ours.reports["uce-map"]["config"]["edit_concepts"] == ["nudity", "blood"]


def test_maps_stack_in_order(generator, tmp_path):
    for name, concept in (("a", "nudity"), ("b", "blood")):
        UCE((concept,), ("a cat",)).map(generator.backbone).save(tmp_path / name)
    a, b = UCEMap(str(tmp_path / "a")), UCEMap(str(tmp_path / "b"))
    M_a, M_b = (method.artifacts[0].tensors["map"] for method in (a, b))
    cond = generator.backbone.encode(["nudity and blood"]).map(lambda x: x.detach().double())
    [states] = b.embed(a.embed(cond, "prompt", Prompt("")), "prompt", Prompt("")).tokens.values()
    assert (states - cond.tokens["text_encoder"] @ (M_b @ M_a).T).abs().max() < 1e-12


def test_another_text_encoder_is_refused_and_another_network_is_not(generator, tmp_path):
    UCE(("nudity",)).map(generator.backbone).save(tmp_path / "map")
    method = UCEMap(str(tmp_path / "map"))
    with pytest.raises(Refused, match=r"'uce-map', .*tensors have another hash, the first text_encoder"):
        load(tiny.sd(seed=1)).run(["a cat"], [1], [method], SAMPLING)
    other = tiny.sd()
    with torch.no_grad():
        other.unet.conv_in.weight.mul_(2)
    [picture] = load(other).run(["a cat"], [1], [method], SAMPLING)
    assert picture.status == "ok"


def test_families_whose_text_takes_other_ways_are_refused(generator, tmp_path):
    UCE(("nudity",)).map(generator.backbone).save(tmp_path / "map")
    model = load(tiny.sd3())
    with pytest.raises(Refused, match="'uce-map': it needs CROSS_ATTN"):
        model.run(["a cat"], [1], [UCEMap(str(tmp_path / "map"))], replace(model.sampling, steps=2))


def test_without_a_file_or_with_another_kind_it_says_so(generator, tmp_path):
    with pytest.raises(Refused, match="'uce-map': it has no map to apply"):
        generator.run(["a cat"], [1], [UCEMap()], SAMPLING)
    UCE(("nudity",)).edit(generator.backbone).save(tmp_path / "weights")
    with pytest.raises(BadInput, match="holds full, no map: it belongs to 'weights'"):
        UCEMap(str(tmp_path / "weights"))
