"""Weights: an artifact, trained or edited elsewhere, in the place of the model's own tensors.

Idea
    Erasure by training or by a closed form ends in new values of some tensors. They are put into the network
    for the length of a run and taken out again, so one loaded model serves with and without them.

Equations
    F_k: the values in file k (kind `full`), W + D_k (`delta`) or W + B_k A_k (`lora`); W: the model's own.
    W' = F_1                                        one file
    W' = F_1 + sum_k>1 (F_k - W)                    several in one entry, in their order: changes add up
    Sums are taken in float64 and cast to the model's dtype last.

Differs
    From `load_state_dict(..., strict=False)`, the usual way: the tensors it replaces must be those that the
    file was made of, by hash; a name that does not fit is refused; every bit is restored, after errors too.
    A model loaded in float16 or bfloat16 must hold the file's base rounded to that dtype.
    Two files on the same tensors are refused in two entries of a policy, unless the second was made on top
    of the first: then its base is what the first leaves. In one entry, `file = ["a", "b"]`, their changes add
    up, as in task arithmetic (arXiv:2212.04089). Nobody trained that sum: measure what it erases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from torch import Tensor

from safelight.core.errors import BadInput, Refused
from safelight.core.method import Method
from safelight.core.ports import Backbone
from safelight.diffusion import patch
from safelight.store import artifacts
from safelight.store.artifacts import Artifact

KINDS = ("full", "delta", "lora")


@final
@dataclass(frozen=True)
class Weights(Method):
    """Applies artifacts of the kinds `full`, `delta` and `lora`, read once, when the method is made."""

    paper = "each artifact's own; UCE: arXiv:2308.14761, ESD: arXiv:2303.07345, SDD: arXiv:2307.05977"

    file: str | tuple[str, ...] = ()
    """The artifact, or several whose changes add up in this order."""

    def __post_init__(self):
        for path, artifact in zip(self._paths, self.artifacts, strict=True):
            if artifact.manifest.kind not in KINDS:
                raise BadInput(
                    f"{path} is of the kind {artifact.manifest.kind}; 'weights' takes {', '.join(KINDS)}"
                    " (a map belongs to 'uce-map')"
                )

    @cached_property
    def artifacts(self) -> tuple[Artifact, ...]:
        return tuple(artifacts.load(path) for path in self._paths)

    @property
    def contents(self) -> Mapping[str, Any]:
        return {"file": [artifact.content for artifact in self.artifacts]}

    def check(self, n: int, scale: float) -> list[str]:
        return [] if self.artifacts else ['it has no weights to apply: name an artifact, file = "..."']

    @contextmanager
    def edit(self, model: Backbone) -> Iterator[None]:
        held = patch.tensors(model)
        problems = [
            f"'{self.name}', {path}: {why}; files made of one model go into one entry, file = [...]"
            for path, artifact in zip(self._paths, self.artifacts, strict=True)
            for why in artifact.manifest.misfits(model.family, held)
        ]
        if problems:
            raise Refused(problems)
        values: dict[str, Tensor] = {}
        for artifact in self.artifacts:
            for name in artifact.manifest.base:
                own = held[name].detach().cpu().double()
                value = _value(artifact, name, own)
                values[name] = values[name].double() + (value.double() - own) if name in values else value
        with patch.replaced(model, values):
            yield

    def report(self, state: None, b: int) -> list[dict[str, Any]]:
        """Besides on: of each artifact what made it, with which settings, and its content's hash."""
        said = [
            {"file": path, "made by": a.manifest.method, "config": dict(a.manifest.config), "hash": a.content}
            for path, a in zip(self._paths, self.artifacts, strict=True)
        ]
        return [{"on": True, "artifacts": said} for _ in range(b)]

    @property
    def _paths(self) -> tuple[str, ...]:
        return (self.file,) if isinstance(self.file, str) else self.file


def _value(artifact: Artifact, name: str, own: Tensor) -> Tensor:
    """F_k of the equations at the top of this file; `own` is W in float64."""
    if artifact.manifest.kind == "lora":
        return own + artifact.change(name)
    value = artifact.tensors[name]
    return own + value if artifact.manifest.kind == "delta" else value
