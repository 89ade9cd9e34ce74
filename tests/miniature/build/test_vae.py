"""The fold makes latents unit normal by channel and leaves what is decoded alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from safelight.diffusion.miniature_nets import autoencoder, decode
from safelight.miniature.build import recipe
from safelight.miniature.build.vae import batch, fold, gradient_distance, psnr


@pytest.fixture
def pictures():
    coarse = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=64).clamp(-1, 1)


def test_fold_standardises_latents_and_keeps_pictures(pictures):
    torch.manual_seed(0)
    net: Any = autoencoder().requires_grad_(False)
    (before,) = net.encode(pictures, return_dict=False)
    seen = decode(net, before.mean)
    with torch.no_grad():
        fold(net, pictures)
    (after,) = net.encode(pictures, return_dict=False)
    assert after.mean.mean((0, 2, 3)) == pytest.approx([0] * 4, abs=1e-4)
    assert after.mean.std((0, 2, 3)) == pytest.approx([1] * 4, abs=1e-4)
    assert before.mean.std((0, 2, 3)) != pytest.approx([1] * 4, abs=0.1)
    torch.testing.assert_close(decode(net, after.mean), seen, rtol=1e-4, atol=1e-4)
    scale = before.mean.std((0, 2, 3))[:, None, None]
    torch.testing.assert_close(after.std * scale, before.std, rtol=1e-4, atol=1e-6)
    assert net.config.scaling_factor == 1.0


def test_psnr_of_a_known_error(pictures):
    class Off:  # four channels, the last unused; decodes everything 0.2 too bright: a tenth of the range
        def encode(self, x, return_dict):
            return (SimpleNamespace(mean=torch.cat([x, x[:, :1]], 1)),)

        def decode(self, z, return_dict):
            return (z[:, :3] + 0.2,)

    assert psnr(cast(Any, Off()), pictures * 0.5, sampled=False) == pytest.approx(20, abs=1e-3)


def test_gradient_distance_sees_edges_and_not_brightness(pictures):
    assert gradient_distance(pictures + 0.3, pictures).item() == pytest.approx(0, abs=1e-6)
    assert gradient_distance(pictures.roll(1, -1), pictures).item() > 0.05


def test_batches_are_crops_first_and_whole_pictures_later(pictures):
    split: Any = SimpleNamespace(images=pictures, batch=lambda index: pictures[index])
    rng = torch.Generator().manual_seed(0)
    assert batch(split, 0, rng).shape == (recipe.VAE.batch, 3, 32, 32)
    assert batch(split, recipe.VAE.steps - 1, rng).shape == (recipe.VAE.batch, 3, 64, 64)
