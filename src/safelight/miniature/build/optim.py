"""Muon for matrices and convolution kernels, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from safelight.miniature.build.recipe import Plan

SMALLEST = 16  # a kernel with fewer rows or columns is no matrix worth orthogonalising


class KernelMuon(torch.optim.Muon):
    """`torch.optim.Muon`, which takes 2-D parameters, on views [out, in * h * w] of the kernels' storage."""

    def __init__(self, kernels: Iterable[nn.Parameter], lr: float):
        self.kernels = list(kernels)
        super().__init__([nn.Parameter(k.detach().flatten(1)) for k in self.kernels], lr=lr, weight_decay=0.0)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        for view, kernel in zip(self.param_groups[0]["params"], self.kernels, strict=True):
            view.grad = None if kernel.grad is None else kernel.grad.flatten(1)
        return super().step(closure)


def optimisers(net: nn.Module, plan: Plan) -> list[torch.optim.Optimizer]:
    """The optimisers of a training, each with its peak rate as `lr`."""
    trained = [p for p in net.parameters() if p.requires_grad]
    kernels = [p for p in trained if plan.muon and is_matrix(p)]
    chosen = {id(p) for p in kernels}
    rest = [p for p in trained if id(p) not in chosen]
    adam = torch.optim.AdamW(rest, lr=plan.adam, betas=plan.betas, weight_decay=plan.weight_decay)
    return [adam, KernelMuon(kernels, lr=plan.muon)] if kernels else [adam]


def is_matrix(p: Tensor) -> bool:
    return p.ndim >= 2 and min(p.shape[0], p[0].numel()) >= SMALLEST
