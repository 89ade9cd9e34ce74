"""Guidance vectors as files: what the methods of one run added, and the texts that they steered towards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from safelight.core.errors import BadInput, Damaged
from safelight.core.method import Method
from safelight.core.nouns import Step
from safelight.core.records import canonical
from safelight.diffusion.generator import Generator
from safelight.diffusion.sampling import Sampling
from safelight.store.files import write_tensors

KEY = "sem_guidance"


def load(path: str) -> tuple[Float[Tensor, "n c h w"], tuple[str, ...]]:
    """The vectors, one for each iteration, and the texts that they steer towards.

    Raises:
        BadInput: there is no such file, or it cannot be read.
        Damaged: it is truncated, holds something else, or does not say what it steers towards.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise BadInput(f"the vectors {path} cannot be read: {error}") from error
    except SafetensorError as error:
        raise Damaged(f"{path} is truncated or no safetensors file ({error})") from error
    if tensors.keys() != {KEY} or tensors[KEY].ndim != 4 or not tensors[KEY].isfinite().all():
        raise Damaged(f"{path} must hold {KEY} [n, c, h, w] in finite values, and nothing else")
    try:
        return tensors[KEY], TypeAdapter(tuple[str, ...]).validate_json(about.get("sought", ""))
    except ValidationError as error:
        raise Damaged(f"{path} does not say which texts it steers towards: record it anew") from error


def record(
    path: str | Path,
    generator: Generator,
    prompt: str,
    seed: int,
    methods: Sequence[Method],
    sampling: Sampling | None = None,
) -> None:
    """Writes what methods add at each iteration of one picture. Raises BadInput, Refused: as `Generator.run`,
    or the place cannot be written."""
    sampling = sampling or generator.sampling
    added: list[Tensor] = []

    def keep(step: Step) -> None:
        e_0 = step.raw["uncond"]
        added.append(step.guided - e_0 - sampling.guidance * (step.raw["prompt"] - e_0))

    generator.run([prompt], [seed], methods, sampling, keep)
    save(path, torch.cat(added), [text for method in methods for text in method.sought])


def save(path: str | Path, vectors: Float[Tensor, "n c h w"], sought: Sequence[str]) -> None:
    """Writes a file for the method. sought: the texts that the vectors steer towards."""
    try:
        write_tensors(Path(path), {KEY: vectors}, {"sought": canonical(list(sought))})
    except (OSError, SafetensorError) as error:
        raise BadInput(f"cannot write {path}: {error}; name a file that is writable") from error
