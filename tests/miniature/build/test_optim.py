"""Kernels of any rank are stepped as the library steps matrices."""

from __future__ import annotations

import torch
from torch import nn

from safelight.miniature.build.optim import KernelMuon, is_matrix, optimisers
from safelight.miniature.build.recipe import Plan


def test_a_kernel_moves_as_its_matrix_would():
    torch.manual_seed(0)
    kernel, slope = nn.Parameter(torch.randn(16, 4, 3, 3)), torch.randn(16, 4, 3, 3)
    matrix = nn.Parameter(kernel.detach().clone().flatten(1))
    ours, theirs = KernelMuon([kernel], lr=0.1), torch.optim.Muon([matrix], lr=0.1, weight_decay=0.0)
    before = kernel.detach().clone()
    for _ in range(3):
        kernel.grad, matrix.grad = slope.clone(), slope.flatten(1)
        ours.step()
        theirs.step()
    assert torch.equal(kernel.flatten(1), matrix)
    assert not torch.equal(kernel, before)


def test_small_kernels_and_vectors_are_left_to_adam():
    assert is_matrix(torch.empty(64, 4, 3, 3))
    assert not is_matrix(torch.empty(4, 64, 3, 3))
    assert not is_matrix(torch.empty(64))
    net = nn.Sequential(nn.Conv2d(4, 64, 3), nn.Conv2d(64, 4, 3))
    adam, muon = optimisers(net, Plan(seed=0, steps=1, batch=1, adam=1e-3, muon=1e-2))
    assert [p.shape for p in muon.param_groups[0]["params"]] == [(64, 36)]
    assert len(adam.param_groups[0]["params"]) == 3
    assert len(optimisers(net, Plan(seed=0, steps=1, batch=1, adam=1e-3))) == 1
