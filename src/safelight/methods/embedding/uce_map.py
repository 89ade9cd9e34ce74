"""UCE map: Unified Concept Editing as one matrix on the text states, which no weight feels.

Idea
    Where every target of UCE is a projection's own answer to another text, the edit is the same linear map
    for all layers. Then it can be applied to the text states instead: switched on and off at run time,
    stacked, and kept as one d x d file.

Equations
    B = lambda I + s_e sum_i c_i c_i^T + s_p sum_j c_j c_j^T        for edited c_i and preserved c_j
    M = I + s_e [sum_i (c_i' - c_i) c_i^T] B^-1                     c_i': the guide's states
    W_new c = W M c for every key and value matrix W: the network answers M c as the edited one answers c.
    Derived from UCE's closed form, which cancels lambda W and the preserved terms in W_new - W.

Differs
    From the weight edit: equal up to rounding, on all rows (unconditional and concept rows included). Targets
    that depend on the layer (`technique = "tensor"`) have no such form. A ControlNet reads the mapped text
    too; the weight edit leaves it alone.
    The pooled text of SDXL is left as it is, in both forms.
    Families whose text states go through more than key and value matrices (SD3, Flux) are refused.
    Entries stack in the policy's order: the states become M_2 M_1 c. As a weight edit that is W M_2 M_1, an
    edit of W M_2 with the targets of M_1: no edit that solves for both lists of concepts at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import torch

from safelight.core.errors import BadInput, Refused
from safelight.core.method import Method
from safelight.core.nouns import Cap, Cond, Prompt
from safelight.core.ports import Backbone
from safelight.diffusion import patch
from safelight.store import artifacts
from safelight.store.artifacts import Artifact


@final
@dataclass(frozen=True)
class UCEMap(Method):
    """Maps every row's text states. The file is made by `safelight.training.uce.UCE.map`, and read once."""

    paper = "arXiv:2308.14761 (Gandikota et al., WACV 2024), in a form of our own"
    needs = frozenset({Cap.CROSS_ATTN})

    file: str = ""
    """An artifact of the kind `map`."""

    def __post_init__(self):
        for artifact in self.artifacts:
            if artifact.manifest.kind != "map":
                raise BadInput(f"{self.file} holds {artifact.manifest.kind}, no map: it belongs to 'weights'")

    @cached_property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The map, if one is named."""
        return (artifacts.load(self.file),) if self.file else ()

    @property
    def contents(self) -> Mapping[str, Any]:
        return {"file": [artifact.content for artifact in self.artifacts]}

    def check(self, n: int, scale: float) -> list[str]:
        return [] if self.artifacts else ['it has no map to apply: name an artifact, file = "..."']

    @contextmanager
    def edit(self, model: Backbone) -> Iterator[None]:
        """Changes nothing; only here can be seen whose text states will come."""
        for artifact in self.artifacts:
            if problems := artifact.manifest.misfits(model.family, patch.tensors(model)):
                raise Refused([f"'{self.name}', {self.file}: {why}" for why in problems])
        yield

    def embed(self, cond: Cond, row: str, p: Prompt) -> Cond:
        states = torch.cat(list(cond.tokens.values()), dim=-1)  # [1, l, d], as the network sees them
        widths = [value.shape[-1] for value in cond.tokens.values()]
        dtype = torch.promote_types(states.dtype, torch.float32)
        for artifact in self.artifacts:
            M = artifact.tensors["map"].to(states.device, dtype)
            states = (states.to(dtype) @ M.T).to(states.dtype)  # M c
        return Cond(
            dict(zip(cond.tokens, states.split(widths, dim=-1), strict=True)), cond.pooled, cond.extra
        )

    def report(self, state: None, b: int) -> list[dict[str, Any]]:
        """Besides on: the settings the map was made with, and its content's hash."""
        [artifact] = self.artifacts
        said = {"file": self.file, "config": dict(artifact.manifest.config), "hash": artifact.content}
        return [{"on": True} | said for _ in range(b)]
