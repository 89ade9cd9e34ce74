"""Stage `unet`: the denoiser, on posteriors and text states computed beforehand."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float16, Int
from torch import Tensor
from transformers import CLIPModel, CLIPTokenizer

from safelight.diffusion import miniature_nets as nets
from safelight.miniature.build import data, recipe
from safelight.miniature.build.clip import distinct
from safelight.miniature.build.fit import autocast, fit
from safelight.miniature.build.latents import Latents
from safelight.miniature.build.progress import Progress

PROBE_TIMES = (100, 250, 500)
PROBE = 512


def train(
    folder: Path, world: Path, tokenizer_folder: Path, clip: Path, latents: Path, progress: Progress
) -> dict[str, float]:
    """Train, round to half precision, save to `folder/net`. Returns held-out errors at `PROBE_TIMES`."""
    plan, z0 = recipe.UNET, Latents(latents, "train")
    words = Words(CLIPTokenizer.from_pretrained(tokenizer_folder), CLIPModel.from_pretrained(clip))
    captions, which = distinct(data.load(world, "train").captions)
    slow = data.slow_to_learn(world, "train")
    states = words.cached(folder / "text.npy", captions, progress)
    nothing = words.states([""])
    before, after = Levels.of(to_noise=False), Levels.of(to_noise=True)
    torch.manual_seed(plan.seed)
    net = nets.unet()
    nets.plain_attention(net)

    def loss(step: int, rng: torch.Generator) -> dict[str, Tensor]:
        at = after if step >= recipe.TO_NOISE_FROM else before
        index, t = torch.randint(len(which), (plan.batch,), generator=rng), spread_times(plan.batch, rng)
        if step >= recipe.FOCUS_FROM:
            (low, high), half = recipe.FOCUS_TIMES, plan.batch // 2
            index[::2] = slow[torch.randint(len(slow), (half,), generator=rng)]
            t[::2] = low + spread_times(half, rng) * (high - low) // 1000
        text = torch.from_numpy(states[which[index].numpy()]).float()
        text = torch.where(
            torch.rand(plan.batch, 1, 1, generator=rng) < recipe.CAPTION_DROPOUT, nothing, text
        )
        x, noise = noised(z0.draw(index, rng), at.alpha[t], at.sigma[t], rng)
        with autocast():
            (predicted,) = net(x, t, text, return_dict=False)
        error = (predicted.float() - noise).square().mean((1, 2, 3))
        return {"loss": (at.weight[t] * error).mean(), "error": error.mean()}

    net = fit("unet", folder, net, loss, plan, progress).half().float()
    net.save_pretrained(folder / "net")
    held_out = words.states(data.load(world, "validation").captions[:PROBE])
    return errors(net, Latents(latents, "validation"), held_out)


class Words:
    """The text encoder, for training: captions to text states."""

    def __init__(self, tokenizer: CLIPTokenizer, clip: CLIPModel):
        self.tokenizer, self.encoder = tokenizer, clip.text_model.eval()

    @torch.no_grad()
    def states(self, captions: list[str]) -> Float[Tensor, "b 77 128"]:
        ids = self.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
        return self.encoder(input_ids=ids).last_hidden_state

    def cached(self, path: Path, captions: list[str], progress: Progress) -> Float16[np.ndarray, "n 77 128"]:
        """The states of all captions on disk: a caption is read many times in a training."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(path.name + ".partial")
            shape = (len(captions), recipe.CONTEXT, nets.WIDTH)
            out = np.lib.format.open_memmap(partial, "w+", np.float16, shape)
            for start in range(0, len(captions), 256):
                out[start : start + 256] = self.states(captions[start : start + 256]).half().numpy()
                progress("unet", min(start + 256, len(captions)), len(captions), "captions encoded")
            out.flush()
            os.replace(partial, path)
        return np.load(path, mmap_mode="r")


@dataclass(frozen=True)
class Levels:
    """x_t = alpha_t x_0 + sigma_t eps, and the weight of its loss, by training time step."""

    alpha: Float[Tensor, " t"]
    sigma: Float[Tensor, " t"]
    weight: Float[Tensor, " t"]

    @classmethod
    def of(cls, *, to_noise: bool) -> Levels:
        kept = nets.scheduler(to_noise=to_noise).alphas_cumprod
        least = recipe.LEAST_SNR if to_noise else 0.0
        return cls(kept.sqrt(), (1 - kept).sqrt(), min_snr_weights(kept / (1 - kept), least))


def min_snr_weights(snr: Float[Tensor, " t"], least: float) -> Float[Tensor, " t"]:
    """min(SNR, gamma) / SNR, the weight that epsilon prediction needs; `least` is the numerator's floor."""
    return snr.clamp(least, recipe.MIN_SNR) / snr


def spread_times(n: int, rng: torch.Generator) -> Int[Tensor, " n"]:
    """Time steps 0..999, one in each of `n` equal intervals: less variance than independent draws
    (Kingma et al. 2021, arXiv 2107.00630, I.1)."""
    return (((torch.arange(n) + torch.rand(1, generator=rng)) / n % 1) * 1000).long()


def noised(
    z: Float[Tensor, "b c h w"], alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"], rng: torch.Generator
) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
    """x_t and the noise in it."""
    noise = torch.randn(z.shape, generator=rng)
    return alpha[:, None, None, None] * z + sigma[:, None, None, None] * noise, noise


@torch.no_grad()
def errors(net: nets.UNet, latents: Latents, text: Float[Tensor, "n 77 128"]) -> dict[str, float]:
    """Mean squared error of the noise at fixed time steps, on fixed noise."""
    at, out = Levels.of(to_noise=True), {}
    for time in PROBE_TIMES:
        rng, sums = torch.Generator().manual_seed(time), 0.0
        for part in torch.arange(len(text)).split(64):
            t = torch.full((len(part),), time)
            x, noise = noised(latents.draw(part, rng), at.alpha[t], at.sigma[t], rng)
            (predicted,) = net(x, t, text[part], return_dict=False)
            sums += float((predicted - noise).square().mean()) * len(part)
        out[f"error_{time}"] = sums / len(text)
    return out
