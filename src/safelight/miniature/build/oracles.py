"""Stage `oracle`: both oracles, trained on renders, degraded renders and decoded latents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from safelight.diffusion import miniature_nets as nets
from safelight.miniature.build import data, recipe
from safelight.miniature.build.degrade import blurred, noisy, shifted, tinted
from safelight.miniature.build.fit import autocast, fit
from safelight.miniature.build.latents import Latents
from safelight.miniature.build.progress import Progress
from safelight.miniature.oracle import Architecture, Oracle, load
from safelight.miniature.truth import HEADS, UNREADABLE

PLANS: dict[Architecture, recipe.Plan] = {"A": recipe.ORACLE_A, "B": recipe.ORACLE_B}
DECODED_SHARE = 4  # one picture in so many of a batch comes from the decoder
COLOURED = ("colour", "skin")  # heads that a tinted picture cannot answer
PROBE = 1000  # decoded validation pictures


@dataclass(frozen=True)
class Material:
    """What both trainings draw from."""

    pictures: data.Split
    decoded: UInt8[np.ndarray, "n 64 64 3"]  # of the first training pictures

    def batch(
        self, size: int, rng: torch.Generator
    ) -> tuple[Float[Tensor, "b 3 64 64"], Int[Tensor, "b heads"]]:
        """Pictures in [-1, 1] with their labels."""
        few = size // DECODED_SHARE
        a = torch.randint(len(self.decoded), (few,), generator=rng)
        b = torch.randint(len(self.pictures.images), (size - few,), generator=rng)
        x = torch.cat([data.as_floats(self.decoded[a.numpy()]), blurred(self.pictures.batch(b), rng)])
        labels = torch.from_numpy(self.pictures.labels[torch.cat([a, b]).numpy()]).long()
        x, changed = tinted(shifted(x, rng), rng)
        for head in COLOURED:
            labels[changed, list(HEADS).index(head)] = UNREADABLE
        return noisy(x, rng), labels


def train(folder: Path, world: Path, latents: Path, vae: Path, progress: Progress) -> dict[str, float]:
    """Train A and B, save them to `folder/{a,b}.safetensors`, return their accuracies."""
    held_out = data.load(world, "validation")
    material = Material(
        data.load(world, "train"), decode(folder, "train", recipe.ROUND_TRIPS, latents, vae, progress)
    )
    decoded = decode(folder, "validation", PROBE, latents, vae, progress)
    measures: dict[str, float] = {}
    for architecture, plan in PLANS.items():
        letter = architecture.lower()
        net = train_one(architecture, plan, folder / letter, material, progress)
        net.save(folder / f"{letter}.safetensors")
        net = load(folder / f"{letter}.safetensors")
        measures |= {
            f"{letter}_{head}": v for head, v in accuracies(net, held_out.images, held_out.labels).items()
        }
        rest = accuracies(net, decoded, held_out.labels[: len(decoded)])
        measures |= {f"{letter}_{head}_decoded": v for head, v in rest.items()}
    return measures


def train_one(
    architecture: Architecture, plan: recipe.Plan, folder: Path, material: Material, progress: Progress
) -> Oracle:
    torch.manual_seed(plan.seed)
    net = Oracle(architecture, HEADS)

    def loss(step: int, rng: torch.Generator) -> dict[str, Tensor]:
        x, labels = material.batch(plan.batch, rng)
        with autocast():
            logits = net(x)
        return {"loss": sum_of_heads(logits, labels)}

    return fit(f"oracle {architecture}", folder, net, loss, plan, progress)


def sum_of_heads(
    logits: dict[str, Float[Tensor, "b c"]], labels: Int[Tensor, "b heads"]
) -> Float[Tensor, ""]:
    """Cross-entropy over the labels that can be read, summed over heads, a picture."""
    terms = [
        F.cross_entropy(logits[head].float(), labels[:, i], ignore_index=-1, reduction="sum")
        for i, head in enumerate(HEADS)
    ]
    return torch.stack(terms).sum() / len(labels)


def accuracies(net: Oracle, images: np.ndarray, labels: Int[np.ndarray, "n heads"]) -> dict[str, float]:
    """Share read right by head, among the pictures that show it."""
    read = {head: p.argmax(1).numpy() for head, p in net.read(np.array(images)).items()}
    shown = {head: labels[:, i] >= 0 for i, head in enumerate(HEADS)}
    return {
        head: float((read[head] == labels[:, i])[shown[head]].mean())
        for i, head in enumerate(HEADS)
        if shown[head].any()
    }


@torch.no_grad()
def decode(
    folder: Path, split: str, n: int, latents: Path, vae: Path, progress: Progress
) -> UInt8[np.ndarray, "n 64 64 3"]:
    """The first `n` pictures through the autoencoder, with some noise on the latents, as a sampler leaves."""
    path = folder / f"{split}.decoded.npy"
    if path.exists():
        return np.load(path, mmap_mode="r")
    net, source, rng = (
        nets.load_autoencoder(vae).eval(),
        Latents(latents, split),
        torch.Generator().manual_seed(n),
    )
    n = min(n, len(source.moments))
    out = np.empty((n, 64, 64, 3), np.uint8)
    for part in torch.arange(n).split(125):
        z = source.draw(part, rng)
        z = z + recipe.LATENT_NOISE * torch.rand(len(z), 1, 1, 1, generator=rng) * torch.randn(
            z.shape, generator=rng
        )
        with autocast():
            x = nets.decode(net, z)
        out[part.numpy()] = data.as_bytes(x.float())
        progress("oracle", int(part[-1]) + 1, n, f"decode {split}")
    folder.mkdir(parents=True, exist_ok=True)
    np.save(path, out)
    return out
