"""The training distribution of the denoiser: times, noise levels, weights."""

from __future__ import annotations

from typing import cast

import pytest
import torch

from safelight.diffusion import miniature_nets as nets
from safelight.miniature.build import recipe, unet


def test_times_lie_one_in_each_interval():
    t = unet.spread_times(64, torch.Generator().manual_seed(3)).sort().values
    assert set(t.diff().tolist()) == {15, 16}  # 1000 / 64 = 15.6
    assert 0 <= t.min() < 16
    assert 984 <= t.max() <= 999


def test_levels_keep_the_variance_and_weights_cap_the_signal():
    at = unet.Levels.of(to_noise=False)
    torch.testing.assert_close(at.alpha**2 + at.sigma**2, torch.ones(1000))
    snr = (at.alpha / at.sigma) ** 2
    assert at.weight[snr <= 5] == pytest.approx(1.0)
    torch.testing.assert_close((at.weight * snr)[snr > 5], torch.full_like(snr[snr > 5], 5.0))


def test_levels_go_to_noise_in_the_last_hundred_steps_alone():
    sd, at = unet.Levels.of(to_noise=False), unet.Levels.of(to_noise=True)
    assert torch.equal(sd.alpha[:901], at.alpha[:901])
    assert sd.alpha[-1] == pytest.approx(0.0683, abs=1e-4)  # Lin et al. 2024, 3.1
    assert at.alpha[-1] == pytest.approx(0.0184, abs=1e-4)
    snr = (at.alpha / at.sigma) ** 2
    assert (at.weight * snr)[snr < recipe.LEAST_SNR] == pytest.approx(recipe.LEAST_SNR)


def test_noised_is_the_forward_process():
    at = unet.Levels.of(to_noise=True)
    z, t = torch.randn(3, 4, 16, 16), torch.tensor([0, 500, 999])
    x, noise = unet.noised(z, at.alpha[t], at.sigma[t], torch.Generator().manual_seed(0))
    torch.testing.assert_close(x, nets.scheduler().add_noise(z, noise, cast(torch.IntTensor, t)))


def test_network_takes_what_the_miniature_gives_it():
    net = nets.unet()
    nets.plain_attention(net)
    assert sum(p.numel() for p in net.parameters()) < 5.7e6
    (out,) = net(torch.randn(2, 4, 16, 16), 10, torch.randn(2, 77, nets.WIDTH), return_dict=False)
    assert out.shape == (2, 4, 16, 16)
