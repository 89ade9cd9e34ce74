"""Stage `vae`: the autoencoder, its measure, and the fold that makes its latents unit normal by channel."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from safelight.diffusion.miniature_nets import Autoencoder, autoencoder, decode
from safelight.miniature.build import data, recipe
from safelight.miniature.build.fit import autocast, fit
from safelight.miniature.build.progress import Progress

PROBE = 512  # validation pictures that the gate and the fold look at


def train(folder: Path, world: Path, progress: Progress) -> dict[str, float]:
    """Train, fold, round to half precision, save to `folder/net`. Returns validation PSNR in dB."""
    pictures, held_out = data.load(world, "train"), data.load(world, "validation")
    torch.manual_seed(recipe.VAE.seed)
    net = autoencoder()

    def loss(step: int, rng: torch.Generator) -> dict[str, Tensor]:
        x = batch(pictures, step, rng)
        with autocast():
            (posterior,) = net.encode(x, return_dict=False)
            mean, log_variance = posterior.mean.float(), posterior.logvar.float()
            noise = torch.randn(mean.shape, generator=rng)
            y = decode(net, mean + noise * (0.5 * log_variance).exp())
        terms = distance(y.float(), x)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        return terms | {"loss": terms["loss"] + recipe.VAE_KL * kl, "kl": kl}

    net = fit("vae", folder, net, loss, recipe.VAE, progress)
    x = data.as_floats(held_out.images[:PROBE])
    fold(net, x)
    net = net.half().float()  # what ships is what is measured, and what the later stages train on
    net.save_pretrained(folder / "net")
    return {"psnr": psnr(net, x, sampled=False), "psnr_sampled": psnr(net, x, sampled=True)}


def batch(pictures: data.Split, step: int, rng: torch.Generator) -> Float[Tensor, "b 3 h w"]:
    """Whole pictures, or in the first part of the training one crop position for the batch."""
    index = torch.randint(len(pictures.images), (recipe.VAE.batch,), generator=rng)
    x = pictures.batch(index)
    if step >= recipe.VAE_CROPS * recipe.VAE.steps:
        return x
    side = recipe.VAE_CROP
    top, left = torch.randint(0, 64 - side + 1, (2,), generator=rng).tolist()
    return x[:, :, top : top + side, left : left + side].contiguous()


def distance(y: Float[Tensor, "b 3 h w"], x: Float[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
    """What both trainings of the decoder minimise, as "loss", and its terms."""
    l1, l2, edges = (y - x).abs().mean(), (y - x).square().mean(), gradient_distance(y, x)
    return {"loss": l1 + l2 + recipe.VAE_GRADIENT * edges, "l1": l1, "l2": l2, "edges": edges}


def gradient_distance(y: Float[Tensor, "b 3 h w"], x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, ""]:
    """L1 distance of the horizontal plus that of the vertical differences: edges in the right place."""
    return (y - x).diff(dim=-1).abs().mean() + (y - x).diff(dim=-2).abs().mean()


@torch.no_grad()
def psnr(net: Autoencoder, x: Float[Tensor, "b 3 h w"], sampled: bool) -> float:
    """Peak signal-to-noise ratio in dB over all pixels together, through the posterior's mean or a sample."""
    rng, error = torch.Generator().manual_seed(0), 0.0
    for part in x.split(64):
        (posterior,) = net.encode(part, return_dict=False)
        z = posterior.sample(rng) if sampled else posterior.mean
        error += float((decode(net, z).clamp(-1, 1) - part).div(2).square().sum())
    return -10 * math.log10(error / x.numel())


@torch.no_grad()
def fold(net: Autoencoder, x: Float[Tensor, "b 3 h w"]) -> None:
    """Give every latent channel mean 0 and deviation 1 over `x`; decoded pictures do not change.

    Stable Diffusion has one scaling factor, but the channels of a small autoencoder differ several-fold. So
    z -> (z - mu) / s is folded into the 1 x 1 convolution after the encoder, its inverse into the one before
    the decoder, and the scaling factor stays 1.
    """
    z = torch.cat([net.encode(part, return_dict=False)[0].mean for part in x.split(64)])
    mu, s, n = z.mean((0, 2, 3)), z.std((0, 2, 3)), z.shape[1]
    out: Any = net.quant_conv
    back: Any = net.post_quant_conv
    out.weight[:n] /= s[:, None, None, None]
    out.bias[:n] = (out.bias[:n] - mu) / s
    out.bias[n:] -= 2 * s.log()  # the other half is the log variance
    back.bias += back.weight[:, :, 0, 0] @ mu
    back.weight *= s[None, :, None, None]
