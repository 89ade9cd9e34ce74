"""The closed form against its equation, written out layer by layer with an inverse, in float64."""

from __future__ import annotations

import pytest
import torch

from safelight.core.errors import BadInput, Refused
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.training.closed_form import projections
from safelight.training.uce import UCE


@pytest.fixture(scope="module", params=["sd", "sdxl"])
def double(request):
    """A tiny model in float64."""
    pipe = tiny.FAMILIES[request.param]()
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.double()
    return backbone(pipe), pipe


def states(pipe, text):
    """The text states [77, d] by the pipeline itself, and the place of the last content token."""
    tokens = pipe.tokenizer(text, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    out = pipe.encode_prompt(text, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)[
        0
    ]
    return out[0].detach(), int(tokens.attention_mask.sum()) - 2


def plain(pipe, pairs, preserved, recipe, technique, lamb, s_e, s_p):
    """W_new by name: the published equation, one Gram matrix and one inverse a layer."""
    edited = {}
    for name, W in pipe.unet.named_parameters():
        if not name.endswith(("attn2.to_k.weight", "attn2.to_v.weight")):
            continue
        W = W.detach()
        numerator, B = lamb * W, lamb * torch.eye(W.shape[1], dtype=W.dtype)
        for old, new in pairs:
            (c, e), (c_new, e_new) = states(pipe, old), states(pipe, new)
            farthest = max(e, e_new)
            rows = slice(e, e + 1) if recipe == "2025" else slice(e, 77 - (farthest - e))
            rows_new = slice(e_new, e_new + 1) if recipe == "2025" else slice(e_new, 77 - (farthest - e_new))
            c, c_new = c[rows], c_new[rows_new]
            v = c_new @ W.T
            if technique == "tensor":
                U = c @ W.T / (c @ W.T).norm()
                v = v - (U * v).sum() * U
            for i in range(len(c)):
                numerator = numerator + s_e * torch.outer(v[i], c[i])
                B = B + s_e * torch.outer(c[i], c[i])
        for text in preserved:
            c, e = states(pipe, text)
            c = c[e : e + 1] if recipe == "2025" else c
            numerator, B = numerator + s_p * (W @ c.T) @ c, B + s_p * c.T @ c
        edited[f"unet.{name}"] = numerator @ torch.linalg.inv(B)
    return edited


CASES = {
    "erase 2025": (UCE(("nudity",)), [("nudity", "")], [], 1.0),
    "replace one each 2025": (
        UCE(("a gun", "red"), ("a very long flower, blue", "b"), ("cat", "")),
        [("a gun", "a very long flower, blue"), ("red", "b")], ["cat", ""], 1.0,
    ),
    "art 2025": (
        UCE(("van g",), concept_type="art", expand_prompts=True, lamb=0.1, erase_scale=2.0),
        [(f"{phrase}van g", "art") for phrase in
         ("", "painting by ", "art by ", "artwork by ", "picture by ", "style of ")], [], 1.0,
    ),
    "moderate 2023": (
        UCE(("violence", "nudity"), (" ",), recipe="2023", concept_type="unsafe"),
        [("violence", " "), ("nudity", " ")], [""], 1.0,
    ),
    "replace 2023": (
        UCE(("a gun", "red"), ("a very long flower, blue", "b"), ("cat", "dog"), recipe="2023"),
        [("a gun", "a very long flower, blue"), ("red", "b")], ["", "cat", "dog"], 1 / 3,
    ),
    "tensor 2023": (
        UCE(("a gun", "red"), ("a flower",), ("cat",), "2023", "tensor", preserve_scale=0.1),
        [("a gun", "a flower"), ("red", "a flower")], ["", "cat"], 0.1,
    ),
    "tensor 2025": (UCE(("red",), technique="tensor"), [("red", "")], [], 1.0),
    "longer than the encoder 2023": (UCE(("a" * 90,), ("b",), recipe="2023"), [("a" * 90, "b")], [""], 1.0),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_published_equation(double, case):
    settings, pairs, preserved, s_p = CASES[case]
    model, pipe = double
    expected = plain(
        pipe, pairs, preserved, settings.recipe, settings.technique, settings.lamb, settings.erase_scale, s_p
    )
    edited = settings.edit(model).tensors
    assert edited.keys() == expected.keys()
    moved = 0.0
    for name, W in expected.items():
        assert (edited[name] - W).abs().max() <= 1e-10, name
        before = dict(pipe.unet.named_parameters())[name.removeprefix("unet.")].detach()
        moved = max(moved, float((W - before).abs().max()))
    assert moved > 1e-2  # the edit does something


@pytest.mark.parametrize("case", [name for name in CASES if "tensor" not in name])
def test_the_map_is_the_weight_edit(double, case):
    settings = CASES[case][0]
    model, _ = double
    M = settings.map(model).tensors["map"]
    for name, W_new in settings.edit(model).tensors.items():
        W = dict(model.net.named_parameters())[name.removeprefix("unet.")]
        assert (W @ M - W_new).abs().max() <= 1e-10


def test_the_model_is_left_alone_and_the_file_says_what_it_is(generator):
    before = generator.content_hash
    generator.__dict__.pop("content_hash")
    settings = UCE(("nudity",), ("a cat",))
    artifact = settings.edit(generator.backbone)
    assert generator.content_hash == before
    assert artifact.manifest.kind == "full"
    assert artifact.manifest.family == "sd"
    assert artifact.manifest.config["guide_concepts"] == ("a cat",)
    assert artifact.tensors.keys() == artifact.manifest.base.keys() == projections(generator.backbone).keys()
    assert all(value.dtype == torch.float32 for value in artifact.tensors.values())


def test_settings_that_make_no_sense():
    for settings, message in [
        ({"edit_concepts": ()}, "one or more texts"),
        ({"edit_concepts": (" ",)}, "one or more texts"),
        ({"edit_concepts": "nudity"}, "must be a tuple of texts"),
        ({"edit_concepts": ("a", "a")}, "holds a text twice"),
        ({"edit_concepts": ("a",), "preserve_concepts": ("b", "b")}, "holds a text twice"),
        ({"edit_concepts": ("a",), "preserve_concepts": ("a",)}, "'a' is to be edited and preserved"),
        ({"edit_concepts": ("a", "b", "c"), "guide_concepts": ("d", "e")}, "one for each of 3"),
        ({"edit_concepts": ("a",), "lamb": 0}, r"lamb must be a finite number in \(0"),
        ({"edit_concepts": ("a",), "erase_scale": -1.0}, "erase_scale must be"),
        ({"edit_concepts": ("a",), "preserve_scale": -1.0}, "preserve_scale must be"),
        ({"edit_concepts": ("a",), "recipe": "2024"}, "recipe must be one of 2023, 2025"),
        (
            {"edit_concepts": ("a",), "concept_type": "unsafe", "expand_prompts": True},
            "no phrases for unsafe",
        ),
    ]:
        with pytest.raises(BadInput, match=message):
            UCE(**settings)
    with pytest.warns(UserWarning, match="'a' is its own guide"):
        UCE(("a",), ("a",))


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_families_without_cross_attention_are_refused(family):
    with pytest.raises(Refused, match=f"the family {family} has none"):
        UCE(("red",)).edit(backbone(tiny.FAMILIES[family]()))


def test_layers_that_are_no_plain_matrices_are_refused():
    pipe = tiny.sd()
    layer = pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn2
    plain_layer, layer.to_k = layer.to_k, torch.nn.Linear(32, 16)
    with pytest.raises(BadInput, match=r"attn2\.to_k is a Linear, and UCE edits plain matrices"):
        UCE(("red",)).edit(backbone(pipe))
    layer.to_k = torch.nn.Linear(48, 16, bias=False)
    with pytest.raises(BadInput, match="reads 48 features, the text encoder gives 32"):
        UCE(("red",)).edit(backbone(pipe))
    layer.to_k = plain_layer
    with pytest.raises(Refused, match="has other targets in each layer"):
        UCE(("red",), technique="tensor").map(backbone(pipe))
