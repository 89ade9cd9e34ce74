"""Guidance vectors: what one run's guidance added, added to another run with other prompts and other noise.

Idea
    The directions that semantic guidance finds belong to the concept more than to the prompt. So those of one
    picture are kept, one for each iteration, and steer others without any row of their own.

Equations
    v_i = eps_i - e_0 - s_g (e_p - e_0)     what the methods of the run that made them added at iteration i
    eps = e_0 + s_g (e_p - e_0) + v_i       here, with the prompt's own e_0 and e_p

Differs
    `sem_guidance` of SEGA's pipeline, as a method: it needs no concept of its own, and adds up with others.
    There the list is kept of every run, of all its pictures, and one entry longer than there are steps; here
    of the one picture that `record` draws. Vectors for another number of iterations are refused there by an
    index error or not at all. Vectors cannot be read, so their file says which texts they steer towards: the
    hard stop reads those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from safelight.core.errors import BadInput, Damaged
from safelight.core.method import Method
from safelight.core.nouns import Moment, Step
from safelight.core.records import canonical
from safelight.diffusion.generator import Generator
from safelight.diffusion.sampling import Sampling
from safelight.store.artifacts import tensor_hash
from safelight.store.files import write_tensors

KEY = "sem_guidance"


@final
@dataclass(frozen=True)
class GuidanceVectors(Method):
    """Adds the vectors of a file, the same to each picture. `record` makes one."""

    paper = "arXiv:2301.12247 (Brack et al., NeurIPS 2023); `sem_guidance` of its authors' pipeline"

    file: str = ""
    """A safetensors file with `sem_guidance` [n, c, h, w]: a vector for each of the solver's n iterations."""

    def __post_init__(self):
        if self.file:
            _ = self.held  # a file that cannot be used is refused here

    @cached_property
    def held(self) -> tuple[Float[Tensor, "n c h w"], tuple[str, ...]]:
        """The vectors, and the texts that they steer towards."""
        try:
            with safe_open(self.file, framework="pt") as file:
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except OSError as error:
            raise BadInput(f"the vectors {self.file} cannot be read: {error}") from error
        except SafetensorError as error:
            raise Damaged(f"{self.file} is truncated or no safetensors file ({error})") from error
        if tensors.keys() != {KEY} or tensors[KEY].ndim != 4 or not tensors[KEY].isfinite().all():
            raise Damaged(f"{self.file} must hold {KEY} [n, c, h, w] in finite values, and nothing else")
        try:
            return tensors[KEY], TypeAdapter(tuple[str, ...]).validate_json(about.get("sought", ""))
        except ValidationError as error:
            raise Damaged(
                f"{self.file} does not say which texts it steers towards: record it anew"
            ) from error

    @property
    def vectors(self) -> Float[Tensor, "n c h w"]:
        return self.held[0]

    @property
    def sought(self) -> tuple[str, ...]:
        return self.held[1] if self.file else ()

    @property
    def contents(self) -> Mapping[str, Any]:
        return {"file": tensor_hash(self.vectors)} if self.file else {}

    def check(self, n: int, scale: float) -> list[str]:
        if not self.file:
            return ['it has no vectors to add: name a file, file = "..."']
        weak = [f"guidance is {scale}: vectors act only above 1"] if scale <= 1 else []
        if (made := len(self.vectors)) != n:
            return [*weak, f"{self.file} was made for {made} solver iterations, and this run has {n}"]
        return weak

    def term(self, here: Moment, raw: Mapping[str, Tensor], state: None) -> Tensor:
        e_p = raw["prompt"]
        if e_p.shape[1:] != self.vectors.shape[1:]:
            raise BadInput(
                f"{self.file} was made for latents {tuple(self.vectors.shape[1:])}; these pictures have "
                f"{tuple(e_p.shape[1:])}: take the size of the run that made it"
            )
        return self.vectors[here.i].to(e_p).expand_as(e_p)

    def report(self, state: None, b: int) -> list[dict[str, Any]]:
        """It acts at every step, on every element."""
        return [{"on": True, "steps": "all", "share": 1.0, "file": self.file} for _ in range(b)]


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
