"""ESD's four recipes against plain transcriptions of their equations, in float64, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from safelight.core.errors import SafelightError
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.training.esd import ESD, RECIPES
from safelight.training.fit import Plan, draw, fit

N, S = 10, 100
FAST = Plan(steps=3, lr=1e-3, seed=2)


def pairing(recipe, rng):
    """(start, steps, t) in the order of our draws, from the programs' own words."""
    first = 1 if recipe == "alt" else 0
    k = first + int(torch.randint(N - 2 if recipe == "alt" else N, (), generator=rng))
    spread = S if recipe in ("classic", "sdd") else 1
    extra = int(torch.randint(spread, (), generator=rng))
    if recipe == "classic":
        steps = N - 1 if k < 2 else N - k  # all nine, or those with index k - 1 and above
        return 1, steps, S * k + extra
    if recipe == "sdd":
        return 0, k or N, S * (N - 1 - k) + extra
    return 0, k, (S * (N - 1 - k) + 1 if recipe == "2025" else 1000 - S * k)


def transcription(reference, original, recipe, eta, f):
    """Losses of a training, each with the target written out as its program has it."""
    unet = reference.unet
    chosen = [p for name, p in unet.named_parameters() if "attn2" in name]
    unet.requires_grad_(False)
    for p in chosen:
        p.requires_grad_(True)
    decay = {"sdd": 1e-4}.get(recipe, 0.0)
    optimiser = torch.optim.AdamW(chosen, lr=FAST.lr, weight_decay=decay)
    losses, c, text = [], "rain", f or "rain"
    for step in range(FAST.steps):
        rng = draw(FAST.seed, step)
        torch.randint(1, (), generator=rng)  # which of one concept
        noise = torch.randn(1, 4, 8, 8, generator=rng).double()
        start, steps, t = pairing(recipe, rng)
        sampler = original if recipe == "2025" else unet
        x = reference.sample(sampler, text, noise, steps, N, start)
        with torch.no_grad():
            e = {word: reference.predict(original, x, t, word) for word in {"", c, text}}
        if recipe in ("classic", "sdd") or (recipe == "alt" and f is None):
            target = e[""] - eta * (e[c] - e[""])
        else:
            target = e[text] - eta * (e[c] - e[""])
        loss = (reference.predict(unet, x, t, text) - target).pow(2).mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        if recipe == "sdd":
            torch.nn.utils.clip_grad_norm_(chosen, 1.0)
        optimiser.step()
    return losses


@pytest.mark.parametrize(
    ("recipe", "eta", "f"),
    [
        ("classic", 1.0, None), ("sdd", 3.0, None), ("2025", 2.0, None), ("2025", 0.7, "a boat"),
        ("alt", 2.0, None), ("alt", 1.5, "a boat"),
    ],
)  # fmt: skip
def test_each_recipe_is_its_program(tmp_path, pipe, model, reference, recipe, eta, f):
    original = tiny.sd().unet.double()
    how: dict[str, Any] = {"recipe": recipe, "eta": eta, "erase_from": f}
    with ESD(model, "rain", **how, group="xattn", solver_steps=N) as esd:
        published = esd.how.plan
        plan = Plan(3, 1e-3, weight_decay=published.weight_decay, clip=published.clip, seed=2)
        rows = []
        fit(esd, plan, tmp_path, rows.append)
    losses = transcription(reference, original, recipe, eta, f)
    assert [row.values["loss"] for row in rows] == pytest.approx(losses, rel=1e-9)
    assert all(torch.equal(a, b) for a, b in zip(pipe.unet.parameters(), original.parameters(), strict=True))


def test_eta_2_of_2025_is_classic_1(model):
    x, t = torch.randn(2, 4, 8, 8, dtype=torch.float64), torch.tensor([101, 700])
    targets, etas = [], []
    for recipe, eta in (("2025", 2.0), ("classic", 1.0), ("alt", 1.0), ("sdd", 3.0)):
        how: dict[str, Any] = {"recipe": recipe, "eta": eta}
        with ESD(model, "rain", **how) as esd, torch.no_grad():
            targets.append(esd.target(x, t, ["rain"] * 2))
            etas.append(esd.result(FAST).manifest.config["eta_classic"])
    assert etas == [1.0, 1.0, 1.0, 3.0]
    torch.testing.assert_close(targets[0], targets[1], rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(targets[2], targets[1], rtol=1e-13, atol=1e-13)
    assert (targets[3] - targets[1]).abs().max() > 0.01


def test_the_target_of_v_prediction_is_that_of_epsilon():
    """alpha v + sigma x is the epsilon that v implies; so the targets agree at any alpha, sigma."""
    model = backbone(tiny.sd("v_prediction").to(torch.float64))
    x, t, (alpha, sigma) = torch.randn(1, 4, 8, 8, dtype=torch.float64), torch.tensor([500]), (0.6, 0.8)
    with ESD(model, "rain", "classic", eta=3.0) as esd, torch.no_grad():
        null, concept = (alpha * v + sigma * x for v in esd._predict(x, t, [""], ["rain"]))
        implied = alpha * esd.target(x, t, ["rain"]) + sigma * x
        assert esd.result(FAST).manifest.config["predicts"] == "v"
    torch.testing.assert_close(implied, null - 3 * (concept - null))


def test_published_plans():
    steps = {"classic": (1000, 1e-5), "sdd": (1000, 1e-5), "2025": (200, 5e-5), "alt": (200, 2e-5)}
    assert {name: (r.plan.steps, r.plan.lr) for name, r in RECIPES.items()} == steps
    assert {name: (r.eta, r.guidance) for name, r in RECIPES.items()} == {
        "classic": (1, 3), "sdd": (3, 3), "2025": (2, 3), "alt": (2, 3)
    }  # fmt: skip
    assert {name: r.plan.weight_decay for name, r in RECIPES.items() if r.plan.clip} == {"sdd": 1e-4}
    for group, lr in (("esd-x", 2e-4), ("esd-u", 1e-5), ("noxattn", 1e-5)):
        with ESD(backbone(tiny.sdxl()), "rain", group=group) as esd:
            assert (esd.how.plan.lr, esd.how.guidance, esd.how.eta) == (lr, 2, 2)


def test_sdxl_trains_with_its_own_solver(tmp_path):
    """Euler scales the network's input, so the latent of a pair is that input."""
    with ESD(backbone(tiny.sdxl()), ("rain", "fog"), solver_steps=4, batch_size=2) as esd:
        fit(esd, FAST, tmp_path)
        artifact = esd.result(FAST)
        assert {text for k in range(8) for text in esd.batch(k, draw(0, k)).texts} == {"rain", "fog"}
    assert all(value.isfinite().all() for value in artifact.tensors.values())
    assert artifact.manifest.family == "sdxl"
    assert artifact.manifest.config["solver"] == "own"


BAD = {
    "unknown recipe": ({"recipe": "2024"}, "unknown recipe '2024'"),
    "unknown pairing": ({"pairing": "trajectories"}, "Did you mean 'trajectory'"),
    "unknown group": ({"group": "esd-y"}, "parameter group of '2025'"),
    "group of another program": ({"recipe": "sdd", "group": "xlayer"}, "parameter group of 'sdd'"),
    "empty concept": ({"concept": ""}, "concept must not be empty"),
    "eta 0": ({"recipe": "classic", "eta": 0.0}, "eta must be"),
    "eta 1 in 2025": ({"eta": 1.0}, "eta must be above 1 in recipe '2025'.*empty text"),
    "eta nan": ({"eta": float("nan")}, "eta must be"),
    "from itself": ({"erase_from": "rain"}, "erase_from must be a text other than the concept"),
    "from nothing": ({"erase_from": ""}, "erase_from must be a text"),
    "from in classic": ({"recipe": "classic", "erase_from": "a boat"}, "erase_from belongs to the recipes"),
    "no guidance": ({"guidance": 1.0}, "guidance must be"),
    "cut": ({"concept": " ".join(["word"] * 90)}, "cut"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name_before_any_work(generator, case):
    settings, message = BAD[case]
    calls = []
    hook = generator.backbone.net.register_forward_hook(lambda *_: calls.append(1))
    with pytest.raises(SafelightError, match=message):
        ESD(generator.backbone, **{"concept": "rain", **settings})
    hook.remove()
    assert calls == []
