"""LoRA: low-rank changes of a network's matrices (Hu et al. 2021, arXiv 2106.09685).

Idea: instead of a matrix W its change is trained, as a product of two thin factors; W itself stays frozen.

Equations: W [out, in], A [r, in], B [out, r]:
    y = W x + B A x;  at the start A ~ U(-1 / sqrt(in), 1 / sqrt(in)) and B = 0
For a convolution A is one with W's kernel, stride and padding to r channels, and B one with a 1 x 1 kernel.

Differs: the paper's factor alpha / r is 1, which is how programs read a file that names no alpha. Where peft
puts layers of its own around the network's, these are forward hooks: no tensor of the network changes its
name while it is trained, so hashes, pictures on the way and other changes see the network they know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from safelight.core.errors import Refused
from safelight.core.valid import whole
from safelight.store.artifacts import factors_of


class LowRank:
    """Adds B A to matrices of `net` until `remove` is called; as B is 0 at first, this changes no bit.

    names: tensors of the network; the weights of linear and 2-D convolution layers among them are the
    matrices. Biases and norms have no place in a LoRA.

    Attributes:
        matrices: W by name. factors: A and B by their names in diffusers' LoRA files.

    Raises:
        BadInput, Refused: the rank is below 1, or there is no matrix; before anything is changed.
    """

    def __init__(self, net: nn.Module, names: Iterable[str], rank: int):
        whole("lora", rank, 1)
        layers = {name: net.get_submodule(name.rpartition(".")[0]) for name in names if _is_weight(name)}
        layers = {name: layer for name, layer in layers.items() if isinstance(layer, nn.Linear | nn.Conv2d)}
        if not layers:
            raise Refused(["this group has no matrix for a LoRA: train it without, or take another group"])
        self.matrices: Mapping[str, Tensor] = {name: layer.weight for name, layer in layers.items()}
        self.factors: dict[str, nn.Parameter] = {}
        rng, self._hooks = torch.Generator().manual_seed(0), []
        for name, layer in layers.items():
            A, B = (nn.Parameter(value.to(layer.weight)) for value in _start(layer.weight, rank, rng))
            self.factors |= dict(zip(factors_of(name), (A, B), strict=True))
            self._hooks.append(layer.register_forward_hook(partial(_add, A, B)))

    def remove(self) -> None:
        """The network is what it was."""
        for hook in self._hooks:
            hook.remove()


def _is_weight(name: str) -> bool:
    return name.rpartition(".")[2] == "weight"


def _start(W: Tensor, rank: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """A [r, in, ...] and B [out, r, ...] of a linear layer's or a convolution's weight [out, in, ...]."""
    bound = W[0].numel() ** -0.5
    A = (2 * torch.rand(rank, *W.shape[1:], generator=rng) - 1) * bound
    return A, torch.zeros(len(W), rank, *[1] * (W.dim() - 2))


def _add(A: Tensor, B: Tensor, layer: nn.Linear | nn.Conv2d, given: tuple[Tensor], out: Tensor) -> Tensor:
    """Forward hook: y + B A x."""
    [x] = given
    if isinstance(layer, nn.Linear):
        return out + linear(linear(x, A), B)
    return out + conv2d(conv2d(x, A, None, layer.stride, layer.padding, layer.dilation), B)
