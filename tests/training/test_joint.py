"""ESD and SDD on transformers whose text and picture attend jointly, by flow matching."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch

from safelight.core.errors import BadInput, Refused, UnknownName
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.diffusion.backbones.flux import Flux
from safelight.training.esd import ESD
from safelight.training.fit import Plan, draw, fit
from safelight.training.groups import trained
from safelight.training.sdd import SDD

N = 4
FAST = Plan(steps=2, lr=1e-3)


class SmallFlux(Flux):
    """16 x 16 pixels: its network does not say at which size it was trained."""

    @property
    def size(self):
        return 16, 16


def model_of(family):
    return SmallFlux(tiny.flux()) if family == "flux" else backbone(tiny.sd3())


@pytest.fixture(params=["sd3", "flux"])
def model(request):
    return model_of(request.param)


COUNTS = {
    "sd3": {"esd-x": 16 + 14, "esd-x-strict": 8},  # the last block gives no text on: no `to_add_out`
    "flux": {"esd-x": 16 + 6, "esd-x-strict": 4},  # one block of each kind
}


@pytest.mark.parametrize("family", COUNTS)
def test_groups(family):
    net = model_of(family).net
    names = {
        group: set(trained(net, family, program, group))
        for program, group in (
            ("2025", "esd-x"),
            ("2025", "esd-u"),
            ("2025", "esd-all"),
            ("2025", "esd-x-strict"),
        )
    }
    assert {group: len(names[group]) for group in COUNTS[family]} == COUNTS[family]
    assert names["esd-x"] | names["esd-u"] == names["esd-all"]
    assert not names["esd-x"] & names["esd-u"]
    kinds = {name.split(".attn.")[1].rpartition(".")[0] for name in names["esd-x-strict"]}
    assert kinds == {"add_k_proj", "add_v_proj"}
    assert set(trained(net, family, "sdd", "xattn")) == names["esd-x"]
    with pytest.raises(UnknownName, match="parameter group of 'joint'"):
        trained(net, family, "2025", "selfattn")


def latent(model, noise, n, scale, text):
    """The network's input after n steps of flow matching, and its time step, by diffusers' scheduler."""
    flow: Any = diffusers.FlowMatchEulerDiscreteScheduler.from_config(model.scheduler.config)
    flow.set_timesteps(N, **model.schedule(N, *model.size))
    x, null, cond = noise, model.encode([""]), model.encode([text])
    for t in flow.timesteps[:n]:
        guided = e_c = model.predict(x, t, cond)
        if scale > 1:
            e_0 = model.predict(x, t, null)
            guided = e_0 + scale * (e_c - e_0)
        x = flow.step(guided, t, x, return_dict=False)[0]
    return x, flow.timesteps[n]


@torch.no_grad()
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_latent_of_esd_has_its_own_time_step_and_the_target_is_plain(model, seed):
    rng = draw(0, seed)
    torch.randint(1, (), generator=rng)  # which of one concept
    noise = torch.randn(1, *model.latent_shape(*model.size), generator=rng)
    n = int(torch.randint(N, (), generator=rng))
    with ESD(model, "rain", solver_steps=N) as esd:
        batch = esd.batch(0, draw(0, seed))
        assert esd.how.guidance == (1 if model.family == "flux" else 7.5)
    x, t = latent(model, noise, n, esd.how.guidance, "rain")
    torch.testing.assert_close(batch.x, x, rtol=1e-4, atol=1e-4)
    assert float(batch.t) == float(t)
    if model.family == "flux":
        assert model.inputs == {"embedded_guidance": 3.5}
        model.inputs["embedded_guidance"] = 1.0
    e_0, e_c = (model.predict(batch.x, t, model.encode([text])) for text in ("", "rain"))
    torch.testing.assert_close(batch.target, e_0 - (e_c - e_0), rtol=1e-4, atol=1e-4)  # eta 2 is classic's 1


def test_esd_learns_its_target_on_latents_that_it_has_not_seen(tmp_path, model):
    with ESD(model, "rain", guidance=2.0, solver_steps=3) as esd:
        held = [esd.batch(k, draw(9, k)) for k in range(6)]

        @torch.no_grad()
        def loss():
            return sum(float(esd.loss(batch)["loss"]) for batch in held)

        before = loss()
        fit(esd, Plan(steps=20, lr=1e-3), tmp_path)
        assert loss() < 0.5 * before


def test_sdd_trains_with_the_models_own_solver_and_its_file_has_diffusers_names(tmp_path, model):
    before = {f"transformer.{name}": value.clone() for name, value in model.net.named_parameters()}
    exact: dict[str, Any] = {"pairing": "exact", "end": "student"}
    with SDD(model, "rain", **exact, group="esd-x-strict", guidance=1.5, solver_steps=3) as sdd:
        times = {float(sdd.batch(k, draw(0, k)).t) for k in range(8)}
        fit(sdd, FAST, tmp_path)
        artifact = sdd.result(FAST)
    steps = model.scheduler.from_config(model.scheduler.config)
    steps.set_timesteps(3, **model.schedule(3, *model.size))
    assert times == set(steps.timesteps.tolist())
    assert artifact.tensors.keys() < before.keys()
    assert all("add_" in name for name in artifact.tensors)
    assert any(not torch.equal(value, before[name]) for name, value in artifact.tensors.items())
    assert artifact.manifest.config.get("embedded_guidance") == model.inputs.get("embedded_guidance")
    after = dict(model.net.named_parameters())
    assert all(torch.equal(after[name.removeprefix("transformer.")], value) for name, value in before.items())


REFUSED = [
    (ESD, {"recipe": "classic"}), (ESD, {"recipe": "sdd"}), (ESD, {"recipe": "alt"}),
    (SDD, {}), (SDD, {"pairing": "as-released"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "how"), REFUSED)
def test_pairings_by_ddims_strides_are_refused(kind, how):
    with pytest.raises(Refused, match=r"DDIM's equal strides, which 'sd3' has not: take 'exact'"):
        kind(model_of("sd3"), "rain", guidance=3.0, **how)


def test_latents_that_nothing_guides_are_refused():
    with pytest.raises(BadInput, match="guidance must be"):
        ESD(backbone(tiny.flux(embedded_guidance=False)), "rain")
    with pytest.raises(BadInput, match="guidance must be"):
        ESD(model_of("sd3"), "rain", guidance=1)
