"""What the original model makes of anchor texts: the data of Concept Ablation.

Drawn in blocks, each a file of its own, so that a training that was stopped draws nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from safelight.core.errors import BadInput
from safelight.core.hard_stop import allowed
from safelight.core.records import noise_seed
from safelight.core.valid import whole
from safelight.diffusion.generator import Generator
from safelight.diffusion.meter import Meter
from safelight.tasks import Task
from safelight.trained.texts import lines
from safelight.training import checkpoint


class Drawn(NamedTuple):
    """One latent a text, and what they cost: rows of the network, seconds."""

    latents: Float[Tensor, "n c h w"]
    rows: int
    seconds: float


def texts_of(anchors: str | Sequence[str], n: int | None) -> list[str]:
    """One text a picture: `n` of them in turn, by default each once.

    Args:
        anchors: the texts, a file (.txt) with one in each line, or a task's name or file (.toml).

    Raises:
        BadInput, UnknownName: there are none, one is empty, or n is below 1.
        Refused: the hard stop holds for one.
    """
    if not isinstance(anchors, str):
        texts = list(anchors)
    elif anchors.endswith(".txt"):
        texts = lines("anchors", anchors)
    else:
        texts = [row.prompt for row in Task.load(anchors).rows]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise BadInput("anchors must be one or more texts, none of them empty")
    allowed(texts)
    if n is None:
        return texts
    whole("pictures", n, 1)
    return [texts[j % len(texts)] for j in range(n)]


def latents_of(
    generator: Generator,
    texts: Sequence[str],
    folder: Path,
    progress: Callable[[str, int, int, str], None],
) -> Drawn:
    """Sampled as the model usually is; what `folder` holds already is not drawn again.

    Raises:
        BadInput: the folder has those of other anchors, or a picture is not finite.
    """
    size, latents = generator.sampling.block, []
    rows, seconds = 0, 0.0
    for a in range(0, len(texts), size):
        progress("anchors", a, len(texts), "")
        path, part = folder / f"anchors-{a // size:04}.safetensors", list(texts[a : a + size])
        seeds = [noise_seed("anchors", j, 0) for j in range(a, a + len(part))]
        facts = {"model": generator.content_hash, "sampling": asdict(generator.sampling), "texts": part}
        if path.exists():
            held, known = checkpoint.read(path)
            cost = {name: known.pop(name) for name in ("rows", "seconds")}
            if known != facts:
                raise BadInput(
                    f"{path} is of other anchors or another model: take another file, or delete it"
                )
        else:
            with Meter(generator.backbone) as meter:
                begun = perf_counter()
                made = generator.run(part, seeds)
                cost = {"rows": meter.take(), "seconds": perf_counter() - begun}
            if failed := [j for j, picture in enumerate(made) if picture.status == "failed"]:
                raise BadInput(f"the picture of the anchor '{part[failed[0]]:.60}' failed: leave it out")
            held = {"latents": torch.stack([picture.latent for picture in made])}
            folder.mkdir(parents=True, exist_ok=True)
            checkpoint.write(path, held, facts | cost)
        latents.append(held["latents"])
        rows, seconds = rows + cost["rows"], seconds + cost["seconds"]
    progress("anchors", len(texts), len(texts), "")
    return Drawn(torch.cat(latents), rows, seconds)
