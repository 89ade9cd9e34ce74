"""Stage `clip`: the text encoder the UNet is conditioned on, and the vision tower that scores pictures."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from safelight.miniature.build import data, recipe
from safelight.miniature.build.degrade import blurred
from safelight.miniature.build.fit import autocast, fit
from safelight.miniature.build.progress import Progress

LARGEST_SCALE = 4.6052  # log 100: CLIP's own cap on the logit scale (Radford et al. 2021, 2.5)
WAYS = 256  # pictures to choose among in the gate


def train(folder: Path, world: Path, tokenizer_folder: Path, progress: Progress) -> dict[str, float]:
    """Train, round to half precision, measure, save to `folder/net`. Returns recall among `WAYS` pictures."""
    pictures, held_out = data.load(world, "train"), data.load(world, "validation")
    tokenizer = CLIPTokenizer.from_pretrained(tokenizer_folder)
    plan = recipe.CLIP
    torch.manual_seed(plan.seed)
    net = network(tokenizer)
    _, same_caption = distinct(pictures.captions)

    def loss(step: int, rng: torch.Generator) -> dict[str, Tensor]:
        index = torch.randint(len(pictures.captions), (plan.batch,), generator=rng)
        x = blurred(pictures.batch(index), rng)
        ids = tokens(tokenizer, [spoken(pictures.captions[i], step) for i in index.tolist()])
        with autocast():
            out = net(input_ids=ids, pixel_values=x)
        scale = net.logit_scale.clamp(max=LARGEST_SCALE).exp()
        logits = scale * out.text_embeds.float() @ out.image_embeds.float().T
        target = targets(same_caption[index])
        return {"loss": (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2, "scale": scale}

    net = fit("clip", folder, net, loss, plan, progress).half().float()
    net.save_pretrained(folder / "net")
    return recall(net, tokenizer, held_out)


def network(tokenizer: CLIPTokenizer) -> CLIPModel:
    """CLIP of 4 + 4 layers, width 128; explicit attention: fused attention is slow backwards on a CPU."""
    shape = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "projection_dim": 128}
    text = shape | {
        "intermediate_size": 512,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": recipe.CONTEXT,
        # With its default end id, 2, the class pools at the highest id, as very old checkpoints want.
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = shape | {"intermediate_size": 384, "image_size": 64, "patch_size": 8}
    net = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=128))
    net.set_attn_implementation("eager")
    return net


def spoken(caption: str, step: int) -> str:
    """The caption; in one batch of 16 said three times, so that far positions are trained for long texts."""
    return ", ".join([caption] * 3) if step % 16 == 15 else caption


def tokens(tokenizer: CLIPTokenizer, captions: list[str]) -> Int[Tensor, "b l"]:
    """Padded to the longest of the batch: attention is causal, so more padding would change nothing."""
    return tokenizer(captions, padding=True, truncation=True, return_tensors="pt").input_ids


def distinct(captions: list[str]) -> tuple[list[str], Int[Tensor, " n"]]:
    """The captions that differ, and for each caption its place among them."""
    places: dict[str, int] = {}
    index = [places.setdefault(caption, len(places)) for caption in captions]
    return list(places), torch.tensor(index)


def targets(same: Int[Tensor, " b"]) -> Float[Tensor, "b b"]:
    """Row i: equal shares for all pictures whose caption is caption i; an equal caption is no negative."""
    equal = (same[:, None] == same[None]).float()
    return equal / equal.sum(1, keepdim=True)


def cross_entropy(logits: Float[Tensor, "b b"], target: Float[Tensor, "b b"]) -> Float[Tensor, ""]:
    return -(target * logits.log_softmax(1)).sum(1).mean()


@torch.no_grad()
def recall(net: CLIPModel, tokenizer: CLIPTokenizer, held_out: data.Split) -> dict[str, float]:
    """How often a picture's best (best five) of `WAYS` captions says what its own says."""
    first = fifth = total = 0
    _, same = distinct(held_out.captions)
    for start in range(0, len(same) - WAYS + 1, WAYS):
        here = slice(start, start + WAYS)
        ids = tokens(tokenizer, held_out.captions[here])
        out = net(input_ids=ids, pixel_values=data.as_floats(held_out.images[here]))
        best = out.logits_per_image.topk(5, 1).indices
        hits = same[here][best] == same[here][:, None]
        first, fifth, total = first + int(hits[:, 0].sum()), fifth + int(hits.any(1).sum()), total + WAYS
    return {"recall_at_1": first / total, "recall_at_5": fifth / total, "n": total}
