"""The conditional language model of GuardT2I: states of a text encoder to the sentence that they mean.

Idea: a causal decoder whose cross-attention reads the states of the frozen text encoder. Blocks, norms and
activations are those of BERT-generation, as released, so its logits are those of `transformers` to rounding.

Equations (arXiv:2403.01446, Sec. 3.1): e = tau(p); p(y) = prod_t p(y_t | y_<t, e); e gives keys and values.
With one state as the key the softmax is 1: each cross-attention adds one linear map of e at every place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from safelight.core.errors import BadInput
from safelight.core.valid import one_of, whole

Conditioning = Literal["pooled_pad", "pooled_linear", "sequence"]
Pair = tuple[Tensor, Tensor]
"""Keys and values, [b, heads, l, hidden / heads] each."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a decoder. The defaults are those of the released one.

    vocabulary: of the text encoder's tokenizer, in whose tokens it answers. width: of the encoder's states.
    length: tokens of the longest sentence, start and end included.
    conditioning: pooled_pad, the state at the end of the text, padded with zeros to `hidden`, as released;
        pooled_linear, the same through a learned projection; sequence, the states of all places through one.
    """

    vocabulary: int
    width: int
    length: int = 77
    conditioning: Conditioning = "pooled_pad"
    hidden: int = 1024
    layers: int = 24
    heads: int = 16

    def __post_init__(self):
        one_of("conditioning", self.conditioning, get_args(Conditioning))
        for name in ("vocabulary", "width", "length", "hidden", "layers", "heads"):
            whole(name, getattr(self, name), 1)
        if self.hidden % self.heads:
            raise BadInput(f"hidden = {self.hidden} must be a multiple of heads = {self.heads}")
        if self.conditioning == "pooled_pad" and self.width > self.hidden:
            raise BadInput(
                f"a state of width {self.width} cannot be padded to hidden = {self.hidden}: take "
                f"conditioning = 'pooled_linear', or hidden from {self.width} up"
            )


class Attention(nn.Module):
    def __init__(self, hidden: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(hidden, hidden) for _ in range(4))

    def pair(self, source: Float[Tensor, "b l d"]) -> Pair:
        return self._split(self.key(source)), self._split(self.value(source))

    def forward(self, x: Float[Tensor, "b l d"], pair: Pair, causal: bool = False) -> Float[Tensor, "b l d"]:
        mixed = F.scaled_dot_product_attention(self._split(self.query(x)), *pair, is_causal=causal)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Block(nn.Module):
    """Own words, then the states, then each place by itself; a norm after each."""

    def __init__(self, hidden: int, heads: int):
        super().__init__()
        self.own, self.states = Attention(hidden, heads), Attention(hidden, heads)
        self.up, self.down = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden, eps=1e-12) for _ in range(3))

    def forward(self, x: Tensor, read: Pair, past: Pair | None) -> tuple[Tensor, Pair]:
        pair = self.own.pair(x)
        if past is not None:
            pair = torch.cat([past[0], pair[0]], 2), torch.cat([past[1], pair[1]], 2)
        x = self.norms[0](x + self.own(x, pair, causal=past is None))
        x = self.norms[1](x + self.states(x, read))
        return self.norms[2](x + self.down(F.gelu(self.up(x)))), pair


class Decoder(nn.Module):
    """Ids of what is said so far and the keys of `read` to the logits of what comes next."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape, hidden = shape, shape.hidden
        self.words = nn.Embedding(shape.vocabulary, hidden)
        self.places = nn.Embedding(shape.length, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.blocks: Any = nn.ModuleList(Block(hidden, shape.heads) for _ in range(shape.layers))
        self.bias = nn.Parameter(torch.zeros(shape.vocabulary))  # the head's matrix is that of the words
        self.project = None if shape.conditioning == "pooled_pad" else nn.Linear(shape.width, hidden)
        self.apply(_start)

    def read(self, states: Float[Tensor, "b k w"]) -> list[Pair]:
        """Keys and values of the encoder's states, by block: the same for every word that is said.

        Raises:
            BadInput: the states are not of this decoder's width, or not finite.
        """
        if states.shape[-1] != self.shape.width:
            raise BadInput(
                f"this decoder reads states of width {self.shape.width}, and these have {states.shape[-1]}: "
                "it was trained for another text encoder"
            )
        if not states.isfinite().all():
            raise BadInput("the text encoder's states are not finite")
        padding = self.shape.hidden - states.shape[-1]
        e = F.pad(states, (0, padding)) if self.project is None else self.project(states)
        return [block.states.pair(e) for block in self.blocks]

    def forward(
        self, ids: Int[Tensor, "b l"], read: Sequence[Pair], past: Sequence[Pair] = ()
    ) -> tuple[Float[Tensor, "b l v"], list[Pair]]:
        """Logits, and the keys and values of all words so far.

        past: those of the words before `ids`, which is then one word.
        """
        before = past[0][0].shape[2] if past else 0
        x = self.norm(self.words(ids) + self.places.weight[before : before + ids.shape[1]])
        pairs = []
        for k, block in enumerate(self.blocks):
            x, pair = block(x, read[k], past[k] if past else None)
            pairs.append(pair)
        return F.linear(x, self.words.weight, self.bias), pairs


@torch.no_grad()
def greedy(
    decoder: Decoder, states: Float[Tensor, "b k w"], start: int, end: int, most: Sequence[int]
) -> list[list[int]]:
    """The likeliest token after each, without start and end.

    most: of each row, how many tokens it may say, its end counted: as many as its prompt has.

    Raises:
        BadInput: see `Decoder.read`; or a logit is not finite.
    """
    read, past = decoder.read(states), []
    ids = torch.full((len(states), 1), start, device=states.device)
    said: list[list[int]] = [[] for _ in most]
    going = set(range(len(most)))
    for step in range(1, min(max(most, default=0), decoder.shape.length) + 1):
        logits, past = decoder(ids, read, past)
        if not logits.isfinite().all():
            raise BadInput("the decoder's logits are not finite: its weights are damaged")
        ids = logits[:, -1:].argmax(-1)
        for row, token in enumerate(ids[:, 0].tolist()):
            if row in going and token != end:
                said[row].append(token)
            if token == end or step >= most[row]:
                going.discard(row)
        if not going:
            break
    return said


def _start(layer: nn.Module) -> None:
    """BERT's initial weights."""
    if isinstance(layer, nn.Linear | nn.Embedding):
        nn.init.normal_(layer.weight, std=0.02)
    if isinstance(layer, nn.Linear):
        nn.init.zeros_(layer.bias)
