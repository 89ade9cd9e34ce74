"""bfloat16 is for forward passes alone; weights, averages and losses keep their 24 bits."""

from __future__ import annotations

import pytest
import torch

from safelight.core.errors import BadInput, UnknownName
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.training import precision
from safelight.training.esd import ESD
from safelight.training.fit import Plan, fit
from safelight.training.sdd import SDD

CPU = torch.device("cpu")
native = pytest.mark.skipif(not precision.native_bfloat16(CPU), reason="this processor has no bfloat16")


def trained(folder, kind, method=SDD):
    """The result's values, each step's loss, and the dtypes of the network's products and of the loss."""
    model, rows, seen = backbone(tiny.sd()), [], set()
    plan = Plan(steps=3, lr=1e-3, precision=kind)
    with method(model, "rain", solver_steps=4) as objective:
        layer = next(m for name, m in model.net.named_modules() if name.endswith("attn2.to_k"))
        hook = layer.register_forward_hook(lambda *given: seen.add(given[2].dtype))
        fit(objective, plan, folder, lambda row: rows.append(row.values["loss"]))
        hook.remove()
        batch = objective.batch(0, torch.Generator().manual_seed(0))
        with precision.forward(kind, CPU):
            loss = objective.loss(batch)["loss"]
        values = {name: value.clone() for name, value in objective.result(plan).tensors.items()}
    return values, rows, seen, loss.dtype


@native
@pytest.mark.parametrize("method", [SDD, ESD])
def test_products_are_bfloat16_and_all_that_adds_up_is_float32(tmp_path, method):
    exact, losses, seen, _ = trained(tmp_path / "float32", "float32", method)
    near, rough, seen_rough, loss = trained(tmp_path / "bfloat16", "bfloat16", method)
    assert (seen, seen_rough, loss) == ({torch.float32}, {torch.bfloat16}, torch.float32)
    assert {value.dtype for value in near.values()} == {torch.float32}
    assert losses != rough
    assert rough == pytest.approx(losses, rel=0.2)
    kept = sum(int((value != value.bfloat16().float()).sum()) for value in near.values())
    assert kept > 0.9 * sum(value.numel() for value in near.values())  # masters were never rounded
    assert exact.keys() == near.keys()


@native
def test_the_originals_values_are_used_and_not_a_copy_of_the_students():
    """Autocast keeps rounded weights for the length of its block; here they change in it."""
    model = backbone(tiny.sd())
    x, t = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([7, 700])
    with ESD(model, "rain", solver_steps=4) as esd:
        with precision.forward("bfloat16", CPU):
            expected = esd.target(x, t, ["rain"] * 2)
        with torch.no_grad():
            for parameter in esd.parameters().values():
                parameter.mul_(2)
        with precision.forward("bfloat16", CPU):
            esd._predict(x, t, ["rain"] * 2)
            assert torch.equal(esd.target(x, t, ["rain"] * 2), expected)


def test_what_gains_nothing_or_does_not_exist_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    with (
        SDD(backbone(tiny.sd()), "rain", solver_steps=4) as sdd,
        pytest.raises(BadInput, match=r"only emulates bfloat16.*precision='float32'"),
    ):
        fit(sdd, Plan(1, 1e-3, precision="bfloat16"), tmp_path)
    with pytest.raises(UnknownName, match="Did you mean 'bfloat16'"):
        Plan(1, 1e-3, precision="bfloat")  # pyright: ignore[reportArgumentType]
