"""Stage `decoder`: the autoencoder's second half trains on alone, at half the cost of a step.

Latents stay as they are, so this can run beside the UNet's training.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from safelight.diffusion.miniature_nets import load_autoencoder
from safelight.miniature.build import data, recipe
from safelight.miniature.build.fit import autocast, fit
from safelight.miniature.build.latents import Latents
from safelight.miniature.build.progress import Progress
from safelight.miniature.build.vae import PROBE, decode, distance, psnr


def train(folder: Path, world: Path, latents: Path, vae: Path, progress: Progress) -> dict[str, float]:
    """Train on samples of the stored posteriors, save to `folder/net`. Returns validation PSNR in dB."""
    pictures, held_out = data.load(world, "train"), data.load(world, "validation")
    source, plan = Latents(latents, "train"), recipe.DECODER
    net = load_autoencoder(vae)
    for name, weight in net.named_parameters():
        weight.requires_grad_(name.startswith(("decoder", "post_quant_conv")))

    def loss(step: int, rng: torch.Generator) -> dict[str, Tensor]:
        index = torch.randint(len(pictures.images), (plan.batch,), generator=rng)
        with autocast():
            y = decode(net, source.draw(index, rng))
        return distance(y.float(), pictures.batch(index))

    net = fit("decoder", folder, net, loss, plan, progress).half().float()
    net.save_pretrained(folder / "net")
    return {"psnr": psnr(net, data.as_floats(held_out.images[:PROBE]), sampled=False)}
