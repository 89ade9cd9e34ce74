"""Which tensors each program's groups name on a small UNet; the counts are the programs' own."""

from __future__ import annotations

import pytest

from safelight.core.errors import Refused, UnknownName
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.training.groups import demand_unet, trained

COUNTS = {
    ("classic", "xattn"): 20, ("classic", "selfattn"): 20, ("classic", "full"): 208,
    ("classic", "noxattn"): 208 - 20 - 4 - 2 - 2, ("classic", "notime"): 208 - 4 - 2 - 2,
    ("sdd", "xattn"): 20, ("sdd", "selfattn"): 20, ("sdd", "full"): 208,
    ("sdd", "noxattn"): 182, ("sdd", "notime"): 202,
    ("2025", "esd-x"): 20, ("2025", "esd-u"): 122, ("2025", "esd-x-strict"): 8, ("2025", "esd-all"): 142,
    ("2025", "selfattn"): 20, ("2025", "notime"): 136,
    ("ca", "cross-attn"): 8, ("ca", "attn"): 40, ("ca", "full-weight"): 208,
}  # fmt: skip


@pytest.fixture(scope="module")
def unet():
    return tiny.sd().unet


@pytest.mark.parametrize(("program", "group"), COUNTS)
def test_counts(unet, program, group):
    assert len(trained(unet, "sd", program, group)) == COUNTS[program, group]


def test_cross_attention_is_all_of_it_in_the_networks_order(unet):
    names = list(trained(unet, "sd", "sdd", "xattn"))
    assert names == [name for name, _ in unet.named_parameters() if ".attn2." in name]
    layers = ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight", "to_out.0.bias")
    assert [name.split(".attn2.")[1] for name in names] == list(layers) * 4
    assert (
        names == list(trained(unet, "sd", "classic", "xattn")) == list(trained(unet, "sd", "2025", "esd-x"))
    )


def test_strict_is_keys_and_values(unet):
    names = list(trained(unet, "sd", "2025", "esd-x-strict"))
    assert [name.split(".attn2.")[1] for name in names] == ["to_k.weight", "to_v.weight"] * 4


def test_the_programs_differ_in_the_output_layer(unet):
    classic, sdd, new = (
        set(trained(unet, "sd", program, group))
        for program, group in (("classic", "noxattn"), ("sdd", "noxattn"), ("2025", "esd-u"))
    )
    assert sdd - classic == {"conv_norm_out.weight", "conv_norm_out.bias"}
    assert classic - sdd == set()
    time = {f"time_embedding.linear_{i}.{part}" for i in (1, 2) for part in ("weight", "bias")}
    assert new - sdd == time | {"conv_out.weight", "conv_out.bias"}
    assert not any("norm" in name.rsplit(".", 2)[-2] for name in new)
    assert any("time_emb_proj" in name for name in sdd & classic & new)


def test_names_of_one_program_work_in_the_other(unet):
    for old, new in (("xattn", "esd-x"), ("noxattn", "esd-u"), ("full", "esd-all")):
        assert list(trained(unet, "sd", "2025", old)) == list(trained(unet, "sd", "2025", new))
        assert list(trained(unet, "sd", "classic", new)) == list(trained(unet, "sd", "classic", old))


def test_sdxl_leaves_embeddings_and_the_ends_alone():
    net = tiny.sdxl().unet
    names = list(trained(net, "sdxl", "2025", "esd-u"))
    assert names
    assert all("block" in name and "emb" not in name and "attn2" not in name for name in names)
    assert set(names) < set(trained(net, "sd", "2025", "esd-u"))


def test_what_selects_nothing_or_is_unknown_is_refused(unet):
    with pytest.raises(UnknownName, match=r"parameter group of 'sdd' 'xatn'. Did you mean 'xattn'"):
        trained(unet, "sd", "sdd", "xatn")
    with pytest.raises(UnknownName, match="esd-x-strict"):
        trained(unet, "sd", "classic", "esd-x-strict")
    with pytest.raises(Refused, match="'xlayer' of 'classic' selects no tensor"):
        trained(unet, "sd", "classic", "xlayer")


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_transformers_are_refused(family):
    with pytest.raises(
        Refused, match=rf"'{family}' has no cross-attention layers.*Stable Diffusion 1, 2 or XL"
    ):
        demand_unet(backbone(tiny.FAMILIES[family]()))
