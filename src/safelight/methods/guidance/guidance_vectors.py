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
    of the one picture that makes them. Vectors for another number of iterations are refused there by an
    index error or not at all. Vectors cannot be read, so their file says which texts they steer towards: the
    hard stop reads those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from safelight.core.errors import BadInput
from safelight.core.method import Method
from safelight.core.nouns import Moment
from safelight.diffusion.vectors import load
from safelight.store.artifacts import tensor_hash


@final
@dataclass(frozen=True)
class GuidanceVectors(Method):
    """Adds the vectors of a file to each picture. `safelight.diffusion.vectors.record` makes one."""

    paper = "arXiv:2301.12247 (Brack et al., NeurIPS 2023); `sem_guidance` of its authors' pipeline"

    file: str = ""
    """A safetensors file with `sem_guidance` [n, c, h, w]: a vector for each of the solver's n iterations."""

    def __post_init__(self):
        if self.file:
            _ = self.held  # a file that cannot be used is refused here

    @cached_property
    def held(self) -> tuple[Float[Tensor, "n c h w"], tuple[str, ...]]:
        """The vectors, and the texts that they steer towards."""
        return load(self.file)

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
