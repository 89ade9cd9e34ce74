"""A LoRA is trained as peft would, leaves the network alone, and is what plain diffusers loads."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig

from safelight.core.errors import BadInput, Refused
from safelight.diffusion import patch, tiny
from safelight.diffusion.backbones import backbone
from safelight.methods.weights.weights import Weights
from safelight.store import artifacts
from safelight.training.esd import ESD
from safelight.training.fit import FILE, Plan, fit
from safelight.training.lora import LowRank
from safelight.training.sdd import SDD

PLAN = Plan(steps=4, lr=1e-2, seed=3)
NAMES = ("conv_in.weight", "conv_in.bias", "down_blocks.0.downsamplers.0.conv.weight")


def bits(model):
    return {name: value.detach().clone() for name, value in patch.tensors(model).items()}


def called(net):
    rng = torch.Generator().manual_seed(5)
    x, states = (torch.randn(*shape, generator=rng) for shape in ((2, 4, 8, 8), (2, 77, 32)))
    return net(x, torch.tensor([7, 700]), states).sample


def names_of(net):
    return [name for name, _ in net.named_parameters() if "attn2" in name or name in NAMES]


def filled(low_rank):
    """B is not 0 any more."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, factor in low_rank.factors.items():
            if ".lora_B." in name:
                factor.copy_(torch.randn(factor.shape, generator=rng))


def test_it_is_what_peft_computes_on_linear_layers_and_convolutions():
    net, theirs = tiny.sd().unet, tiny.sd().unet
    ours = LowRank(net, names_of(net), 3)
    assert torch.equal(called(net), called(theirs))  # B is 0
    filled(ours)
    layers = [name.removesuffix(".weight") for name in ours.matrices]
    assert {"conv_in", "down_blocks.0.downsamplers.0.conv"} < set(layers)
    theirs.add_adapter(LoraConfig(r=3, lora_alpha=3, target_modules=layers))
    for name, factor in ours.factors.items():
        layer, kind = name.removesuffix(".weight").rsplit(".", 1)
        theirs.get_submodule(f"{layer}.{kind}.default").weight.data = factor.data
    assert torch.allclose(called(net), called(theirs), rtol=1e-4, atol=1e-5)
    ours.remove()
    assert torch.equal(called(net), called(tiny.sd().unet))


def test_only_matrices_take_part():
    net = tiny.sd().unet
    with pytest.raises(Refused, match="no matrix for a LoRA"):
        LowRank(net, ["conv_in.bias", "conv_norm_out.weight"], 2)
    with pytest.raises(BadInput, match="lora must be a whole number"):
        LowRank(net, names_of(net), 0)
    assert all(not module._forward_hooks for module in net.modules())


@pytest.mark.parametrize("method", [ESD, SDD])
def test_it_trains_the_factors_alone_and_the_artifact_is_that_network(tmp_path, method):
    """Inside, the network with the factors; outside, every bit as it was, and the method `weights` brings
    back what was learned."""
    model = backbone(tiny.sd())
    before, path = bits(model), tmp_path / "made.safetensors"
    with method(model, "rain", lora=2, solver_steps=4) as objective:
        assert all(".lora_" in name for name in objective.parameters())
        assert sum(p.requires_grad for p in model.net.parameters()) == 0
        fit(objective, PLAN, tmp_path)
        objective.result(PLAN).save(path)
        with objective.shown():
            learned = called(model.net)
        assert all(torch.equal(value, before[name]) for name, value in bits(model).items())
    plain, weights = called(model.net), Weights(str(path))
    [artifact] = weights.artifacts
    assert (artifact.manifest.kind, artifact.rank, artifact.manifest.config["lora"]) == ("lora", 2, 2)
    with weights.edit(model):
        applied = called(model.net)
    assert torch.allclose(applied, learned, rtol=1e-4, atol=1e-5)
    assert (learned - plain).norm() > 100 * (applied - learned).norm()
    assert all(torch.equal(value, before[name]) for name, value in bits(model).items())
    assert torch.equal(called(model.net), plain)


def test_the_original_is_the_network_without_the_factors():
    model = backbone(tiny.sd())
    x, t = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([7, 700])
    with ESD(model, "rain", solver_steps=4) as whole:
        expected = whole.target(x, t, ["rain"] * 2)
    with ESD(model, "rain", lora=2, solver_steps=4) as objective:
        filled(objective._lora)
        assert torch.equal(objective.target(x, t, ["rain"] * 2), expected)


class Stop(Exception):
    pass


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_stopped_at_any_step_it_ends_in_the_same_bits(tmp_path, precision):
    model, plan = backbone(tiny.sd()), Plan(steps=4, lr=1e-2, precision=precision)

    def stop_at(step):
        def on_row(row):
            if row.step == step:
                raise Stop

        return on_row

    with SDD(model, "rain", lora=2, ema=0.5, solver_steps=4) as sdd:
        fit(sdd, plan, tmp_path / "whole")
        expected = sdd.result(plan).content
    for step in (1, 3):
        with SDD(model, "rain", lora=2, ema=0.5, solver_steps=4) as sdd, pytest.raises(Stop):
            fit(sdd, plan, tmp_path / str(step), stop_at(step), every=0.0)
        with SDD(model, "rain", lora=2, ema=0.5, solver_steps=4) as sdd:
            fit(sdd, plan, tmp_path / str(step))
            assert sdd.result(plan).content == expected
        one, other = ((tmp_path / name / FILE).read_bytes() for name in ("whole", str(step)))
        assert one == other


def test_a_file_without_one_of_its_factors_is_damaged(tmp_path):
    model = backbone(tiny.sd())
    with ESD(model, "rain", lora=2, solver_steps=4) as esd:
        made = esd.result(PLAN)
    missing = dict(made.tensors)
    missing.pop(next(iter(missing)))
    artifacts.Artifact(made.manifest, missing).save(tmp_path / "cut.safetensors")
    with pytest.raises(artifacts.Damaged, match="not those of its manifest"):
        artifacts.load(tmp_path / "cut.safetensors")
