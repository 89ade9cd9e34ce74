"""Concept Ablation against a plain transcription of its loss, in float64, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from safelight.core.errors import SafelightError
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.training.ca import CA, PLANS, cut_first_token, target_texts
from safelight.training.fit import Plan, draw, fit

ANCHORS = ("a boat on the sea", "a cat", "rain over a town")
LATENTS = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(1))
FAST = Plan(3, 1e-3, weight_decay=1e-2, clip=1.0, seed=4)


def transcription(reference, loss_type, prior):
    """Losses of a training; anchors are noised by diffusers' own scheduler."""
    unet, scheduler = reference.unet, tiny.sd().scheduler
    chosen = [
        p for name, p in unet.named_parameters() if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))
    ]
    unet.requires_grad_(False)
    for p in chosen:
        p.requires_grad_(True)
    for name, layer in unet.named_modules():
        if name.endswith(("attn2.to_k", "attn2.to_v")):
            layer.register_forward_hook(cut_first_token)
    optimiser = torch.optim.AdamW(chosen, lr=FAST.lr, weight_decay=1e-2)
    losses = []
    for step in range(FAST.steps):
        rng = draw(FAST.seed, step)

        def noised(picked, rng=rng):
            z = LATENTS[picked].double()
            eps = torch.randn(z.shape, generator=rng).double()
            t = torch.randint(1000, (len(picked),), generator=rng)
            return scheduler.add_noise(z, eps, t), t, eps

        def predict(x, t, texts):
            return unet(x, t, torch.cat([reference.encode(text) for text in texts])).sample

        ks, texts = [], []
        for _ in range(2):
            k, _, r = (int(torch.randint(n, (), generator=rng)) for n in (3, 1, 3))
            ks.append(k)
            p = ANCHORS[k]
            texts.append([f"{p}, in the style of Fog", f"in Fog's style, {p}", f"in Fog's style, {p}"][r])
        x, t, eps = noised(ks)
        with torch.no_grad():
            anchor = predict(x, t, [ANCHORS[k] for k in ks])
        target = anchor if loss_type == "model-based" else eps
        error = (predict(x, t, texts) - target) ** 2
        mask = torch.ones(2, 1, 8, 8).double()
        loss = ((error * mask).sum([1, 2, 3]) / mask.sum([1, 2, 3])).mean()
        if prior:
            ks = [int(torch.randint(3, (), generator=rng)) for _ in range(2)]
            x, t, eps = noised(ks)
            loss = loss + prior * ((predict(x, t, [ANCHORS[k] for k in ks]) - eps) ** 2).mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(chosen, 1.0)
        optimiser.step()
    return losses


@pytest.mark.parametrize(("loss_type", "prior"), [("model-based", 0.0), ("noise-based", 0.5)])
def test_it_is_the_program(tmp_path, model, reference, loss_type, prior):
    how: dict[str, Any] = {"loss_type": loss_type, "prior": prior, "batch_size": 2}
    rows = []
    with CA(model, "Fog", ANCHORS, LATENTS, **how) as ca:
        fit(ca, FAST, tmp_path, rows.append)
        assert len(ca.result(FAST).tensors) == 8
    losses = transcription(reference, loss_type, prior)
    assert [row.values["loss"] for row in rows] == pytest.approx(
        losses, rel=1e-6
    )  # add_noise is float32 inside


def test_no_gradient_flows_through_token_0_and_values_stay(model):
    layer = next(m for name, m in model.net.named_modules() if name.endswith("attn2.to_k"))
    states = torch.randn(2, 77, 32, dtype=torch.float64)
    plain = layer(states)
    with CA(model, "Fog", ANCHORS, LATENTS):
        assert torch.equal(layer(states), plain)
        first = torch.zeros_like(states)
        first[:, 0] = states[:, 0]
        layer(first).sum().backward()
        assert torch.count_nonzero(layer.weight.grad) == 0
        layer(states).sum().backward()
        assert torch.count_nonzero(layer.weight.grad) > 0
    assert not layer._forward_hooks
    assert layer.weight.grad is None


def test_a_network_of_v_learns_the_velocity():
    model = backbone(tiny.sd("v_prediction"))
    with CA(model, "Fog", ANCHORS, LATENTS, loss_type="noise-based", batch_size=3) as ca:
        [part] = ca.batch(0, draw(0, 0))
    abar = model.scheduler.alphas_cumprod[part.t][:, None, None, None]
    clean = abar.sqrt() * part.x - (1 - abar).sqrt() * part.target
    assert all(any(torch.allclose(z, own, atol=1e-5) for own in LATENTS) for z in clean)


def test_target_texts():
    assert target_texts("nudity", "nudity, nsfw", "people") == (
        "nudity, nsfw, people", "in nudity, nsfw style, people", "people, nudity, nsfw",
    )  # fmt: skip
    assert target_texts("object", "cat+grumpy cat", "a cat") == ("a grumpy cat",) * 3


def test_published_plans():
    assert {name: (plan.steps, plan.lr) for name, plan in PLANS.items()} == {
        "style": (200, 8e-6), "object": (200, 8e-6), "nudity": (800, 3.2e-5)
    }  # fmt: skip
    assert {(plan.weight_decay, plan.clip, plan.betas) for plan in PLANS.values()} == {
        (1e-2, 1.0, (0.9, 0.999))
    }


BAD = {
    "no anchors": ({"anchors": (), "latents": LATENTS[:0]}, "one latent an anchor"),
    "counts": ({"latents": LATENTS[:2]}, "one latent an anchor: got 3 anchors, 2 latents"),
    "not finite": ({"latents": LATENTS * float("inf")}, "latents are not finite"),
    "no such word": ({"concept_type": "object", "concept": "dog+red dog"}, "does not have the word 'dog'"),
    "no plus": ({"concept_type": "object", "concept": "red cat"}, r"written 'A\+T'"),
    "itself": ({"concept_type": "object", "concept": "a+a"}, "the target text is the anchor itself"),
    "cut": ({"concept": " ".join(["word"] * 70)}, "does not read the end"),
    "cut anchor": (
        {"concept_type": "object", "concept": "word+a", "anchors": (" ".join(["word"] * 100),) * 3},
        "does not read the end",
    ),
    "type": ({"concept_type": "styl"}, "Did you mean 'style'"),
    "loss": ({"loss_type": "noise"}, "unknown loss_type"),
    "group": ({"group": "embedding"}, "parameter group of 'ca'"),
    "prior": ({"prior": -1.0}, "prior must be"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name_before_any_work(generator, case):
    settings, message = BAD[case]
    calls = []
    hook = generator.backbone.net.register_forward_hook(lambda *_: calls.append(1))
    with pytest.raises(SafelightError, match=message):
        CA(generator.backbone, **{"concept": "Fog", "anchors": ANCHORS, "latents": LATENTS, **settings})
    hook.remove()
    assert calls == []
