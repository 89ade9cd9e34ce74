"""Stage `latents`: every picture's posterior, computed once, so that the UNet's training never encodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float16
from torch import Tensor

from safelight.diffusion.miniature_nets import LATENT, load_autoencoder
from safelight.miniature.build import data
from safelight.miniature.build.fit import autocast
from safelight.miniature.build.progress import Progress

BLOCK = 125


class Latents:
    """Posterior means and deviations of one split, on disk."""

    def __init__(self, folder: Path, split: str):
        self.moments: Float16[np.ndarray, "n 2 4 16 16"] = np.load(folder / f"{split}.npy", mmap_mode="r")

    def draw(self, index: Tensor, rng: torch.Generator) -> Float[Tensor, "b 4 16 16"]:
        """One sample of each posterior."""
        mean, deviation = torch.from_numpy(self.moments[index.numpy()]).float().unbind(1)
        return mean + deviation * torch.randn(mean.shape, generator=rng)


@torch.no_grad()
def encode(folder: Path, world: Path, vae: Path, progress: Progress) -> dict[str, float]:
    """Encode both splits. Returns the largest channel mean and deviation from 1 over the training split."""
    net = load_autoencoder(vae).eval()
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("validation", "train"):
        images = data.load(world, split).images
        shape = (len(images), 2, 4, LATENT, LATENT)
        moments = np.lib.format.open_memmap(folder / f"{split}.npy", "w+", np.float16, shape)
        for start in range(0, len(images), BLOCK):
            here = slice(start, start + BLOCK)
            with autocast():
                (posterior,) = net.encode(data.as_floats(images[here]), return_dict=False)
            moments[here] = torch.stack([posterior.mean, posterior.std], 1).half().numpy()
            progress("latents", min(here.stop, len(images)), len(images), split)
        moments.flush()
    mean, deviation = channel_statistics(moments[:, 0])
    return {
        "largest_mean": float(np.abs(mean).max()),
        "largest_deviation_error": float(np.abs(deviation - 1).max()),
    }


def channel_statistics(means: Float16[np.ndarray, "n 4 16 16"]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each channel, over a sample of the pictures."""
    some = np.asarray(means[:: max(1, len(means) // 4000)], np.float32)
    return some.mean((0, 2, 3)), some.std((0, 2, 3))
