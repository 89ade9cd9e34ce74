"""UCE at the size of Stable Diffusion 1.5: one factor for all layers, against an inverse for each.

    python benchmarks/uce.py [--preserved 100] [--rounds 3]

Random key and value matrices of its 16 cross-attention layers, and random text states of 77 x 768, all in
float64; recipe "2023", which reads all 77 rows of a preserved text. Ours is the whole of `UCE.edit`, hashes
of the manifest included. Against it
(a) the published equation layer by layer with the text states given, in matrix products over all texts at
    once, which is kinder than the programs, that sum outer products text by text;
(b) the same where each layer encodes every text again, as released. One encoding of all texts by a text
    encoder of random weights and the size of SD's is measured, and counted once for ours and 32 times here.
Each is timed in every round, and the best round of each counts. Exits with an error unless the edited weights
are equal to 1e-10.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from safelight.core.nouns import Cap, Cond
from safelight.diffusion import tiny
from safelight.diffusion.backbones.text import TextEncoder
from safelight.training.uce import UCE

D, L = 768, 77
BLOCKS = {
    "down_blocks.0": (320, 2), "down_blocks.1": (640, 2), "down_blocks.2": (1280, 2), "mid_block": (1280, 1),
    "up_blocks.1": (1280, 3), "up_blocks.2": (640, 3), "up_blocks.3": (320, 3),
}  # fmt: skip
"""Width and number of cross-attention layers."""
LAST = 3
"""The place of every text's last token."""


class Matrices:
    """What `UCE.edit` asks of a model, without the rest of one."""

    family = "sd"
    caps = frozenset(Cap)

    def __init__(self, texts: Sequence[str]):
        rng = torch.Generator().manual_seed(0)
        self.states = {text: torch.randn(L, D, generator=rng, dtype=torch.float64) for text in texts}
        self.net = nn.Module()
        for block, (width, n) in BLOCKS.items():
            for k in range(n):
                for kind in ("to_k", "to_v"):
                    layer = nn.Linear(D, width, bias=False, dtype=torch.float64)
                    nn.init.normal_(layer.weight, std=D**-0.5, generator=rng)
                    self._add(f"{block}.attentions.{k}.transformer_blocks.0.attn2.{kind}", layer)

    def _add(self, name: str, layer: nn.Module) -> None:
        *path, last = name.split(".")
        inner = self.net
        for part in path:
            if not hasattr(inner, part):
                inner.add_module(part, nn.Module())
            inner = inner.get_submodule(part)
        inner.add_module(last, layer)

    @property
    def parts(self) -> dict[str, nn.Module]:
        return {"unet": self.net}

    def encode(self, texts: Sequence[str]) -> Cond:
        return Cond({"text_encoder": torch.stack([self.states[text] for text in texts])})

    def last(self, text: str) -> int:
        return LAST


def published(
    W: Float[Tensor, "out d"],
    old: Float[Tensor, "k d"],
    new: Float[Tensor, "k d"],
    kept: Float[Tensor, "p d"],
    lamb: float,
    s_e: float,
    s_p: float,
) -> Float[Tensor, "out d"]:
    """W_new of one layer, every product as the equation at the top of `training.uce` has it."""
    B = lamb * torch.eye(D, dtype=W.dtype) + s_e * old.T @ old + s_p * kept.T @ kept
    numerator = lamb * W + s_e * (new @ W.T).T @ old + s_p * (kept @ W.T).T @ kept
    return numerator @ torch.linalg.inv(B)


def seconds(thing: Callable[[], Any]) -> tuple[float, Any]:
    begun = perf_counter()
    made = thing()
    return perf_counter() - begun, made


def encoder() -> TextEncoder:
    """Of the size of SD 1.5's."""
    config = CLIPTextConfig(hidden_size=D, intermediate_size=4 * D, num_hidden_layers=12)
    return TextEncoder(CLIPTextModel(config).eval(), tiny.tokenizer(), L)


@torch.no_grad()
def main() -> None:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--preserved", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()

    preserved = tuple(f"artist {k}" for k in range(asked.preserved))
    edit = UCE(("nudity",), preserve_concepts=preserved, recipe="2023")
    model: Any = Matrices(("nudity", " ", *preserved))
    old, new = model.states["nudity"][LAST:], model.states[" "][LAST:]
    kept = torch.cat([model.states[text or " "] for text in edit.preserved])
    s_p = max(0.1, 1 / len(edit.preserved))
    weights = {f"unet.{name}": value for name, value in model.net.named_parameters()}

    def layer_by_layer() -> dict[str, Tensor]:
        scales = edit.lamb, edit.erase_scale, s_p
        return {name: published(W, old, new, kept, *scales) for name, W in weights.items()}

    text_encoder = encoder()

    def encode() -> Any:
        return text_encoder([*edit.edit_concepts, *edit.preserved], torch.device("cpu"))

    timed = (lambda: edit.edit(model), layer_by_layer, encode)
    rounds = [[seconds(thing) for thing in timed] for _ in range(asked.rounds)]
    ours, theirs, once = (min(took for took, _ in column) for column in zip(*rounds, strict=True))
    (_, artifact), (_, expected), _ = rounds[-1]
    apart = max(float((artifact.tensors[name] - W).abs().max()) for name, W in expected.items())
    moved = max(float((expected[name] - W).abs().max()) for name, W in weights.items())
    n = len(weights)
    again = theirs + n * once
    print(f"{n} matrices, {asked.preserved} preserved texts, {torch.get_num_threads()} threads, best of "
          f"{asked.rounds} rounds; one encoding of all texts {once:.2f} s\n")  # fmt: skip
    print("| | published equation in each layer, s | ours, s | times faster |")
    print("|---|---|---|---|")
    print(f"| (a) text states given | {theirs:.2f} | {ours:.2f} | {theirs / ours:.1f} |")
    print(f"| (b) with texts encoded, there in each layer | {again:.1f} | {ours + once:.2f} "
          f"| {again / (ours + once):.1f} |")  # fmt: skip
    print(f"\nLargest difference of a weight: {apart:.1e}, where the edit moves one by up to {moved:.2f}.")
    if apart > 1e-10:
        raise SystemExit("the two are not equal to 1e-10")


if __name__ == "__main__":
    main()
