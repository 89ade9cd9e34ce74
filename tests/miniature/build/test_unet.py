"""The training distribution of the denoiser: times, noise levels, weights."""

from __future__ import annotations

from typing import cast

import pytest
import torch

from safelight.diffusion import miniature_nets as nets
from safelight.miniature.build import unet


def test_times_lie_one_in_each_interval():
    t = unet.spread_times(64, torch.Generator().manual_seed(3)).sort().values
    assert set(t.diff().tolist()) == {15, 16}  # 1000 / 64 = 15.6
    assert 0 <= t.min() < 16
    assert 984 <= t.max() <= 999


def test_levels_keep_the_variance_and_weights_cap_the_signal():
    alpha, sigma = unet.levels()
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones(1000))
    weight, snr = unet.min_snr_weights(alpha, sigma), (alpha / sigma) ** 2
    assert weight[snr <= 5] == pytest.approx(1.0)
    torch.testing.assert_close((weight * snr)[snr > 5], torch.full_like(snr[snr > 5], 5.0))


def test_noised_is_the_forward_process():
    alpha, sigma = unet.levels()
    z, t = torch.randn(3, 4, 16, 16), torch.tensor([0, 500, 999])
    x, noise = unet.noised(z, alpha[t], sigma[t], torch.Generator().manual_seed(0))
    torch.testing.assert_close(x, nets.scheduler().add_noise(z, noise, cast(torch.IntTensor, t)))


def test_network_takes_what_the_miniature_gives_it():
    net = nets.unet()
    nets.plain_attention(net)
    assert sum(p.numel() for p in net.parameters()) < 5.7e6
    (out,) = net(torch.randn(2, 4, 16, 16), 10, torch.randn(2, 77, nets.WIDTH), return_dict=False)
    assert out.shape == (2, 4, 16, 16)
