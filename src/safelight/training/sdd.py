"""SDD: Safe self-Distillation Diffusion (Kim et al. 2023, arXiv 2307.05977).

Idea: the student learns to predict for the concept what it predicts for no text at all. The latents it learns
on come from its own moving average, the teacher, on the way to pictures of the concept. The target is the
student's own estimate, so it cannot be overshot, and many concepts can be taken out in one training.

Equations:
    z <- the teacher's guided sampling towards c_p, s_g = 3, stopped after n of 50 DDIM steps
    L = mean( (stopgrad e_theta(z, t, c_0) - e_theta(z, t, c_s))^2 )
    theta <- AdamW;  theta_bar <- m theta_bar + (1 - m) theta;  the result is theta_bar

Differs: the pseudo-code of the paper and its program (github.com/nannullna/safe-diffusion at a2e820c)
disagree; this is the program. Samples are of all concepts joined, one concept a step is removed, and t is
drawn from the interval of the latent's true level. The program's n = 0 runs all 50 steps and pairs the clean
latent with the noisiest time steps: `pairing="as-released"`; "fixed" makes no step. Its "sequential" never
leaves the first concept: here so as released, while "fixed" goes on after `each` steps. The average runs over
the trained tensors only, which is the same without the rounding drift of the others. Texts are encoded once,
and the network's mode is left alone (the program calls `train()`; Stable Diffusion's UNet has no dropout).
On Stable Diffusion 3 and Flux, which the paper does not know: the model's own solver, `pairing="exact"`, and
the joint attention in the place of the cross-attention (see `groups`).

`pairing="trajectory"` is the fast schedule of `buffer`, with a twelfth of the network rows: the latents are
of the teacher as it was when the buffer was filled.

As the target is trained with everything else, e_theta(z, t, c_0) can drift away from the original's, which no
loss shows. Every `DRIFT_EVERY` steps the record has "drift", mean((e_theta - e_theta*)^2) for c_0 on the
batch. `sdd_anchored` is the variant that cannot drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import torch
from torch import Generator, Tensor

from safelight.core.errors import BadInput
from safelight.core.ports import Backbone
from safelight.core.valid import one_of, whole
from safelight.diffusion.solvers import name_of
from safelight.training import checkpoint
from safelight.training.buffer import TRAJECTORIES, Buffer, Tensors, lasting, shuffled
from safelight.training.ema import EMA, check_decay
from safelight.training.erasure import Batch, Erasure, concepts_of
from safelight.training.fit import Plan, index
from safelight.training.partial import Partial

METHODS = ("iterative", "random", "composite", "sequential")
PLAN = Plan(steps=1500, lr=1e-5, weight_decay=1e-4, clip=1.0)
"""As released."""
DRIFT_EVERY = 10
"""Steps; each time costs one row of the network for a latent."""


@dataclass(eq=False)
class SDD(Erasure):
    """Takes concepts out of `model` by self-distillation: an `Objective`.

    Raises:
        BadInput, UnknownName, Refused: a setting cannot be used, or not with this model; before any work.
    """

    name: ClassVar[str] = "sdd"
    anchor: ClassVar[Literal["student", "original"]] = "student"
    """Whose prediction for no text is the target."""

    model: Backbone
    concept: str | tuple[str, ...]
    group: str = "xattn"
    """Which tensors: see `groups.GROUPS["sdd"]`."""
    concept_method: Literal["iterative", "random", "composite", "sequential"] = "iterative"
    """The concept removed at a step: each in turn, one at random, all joined, or one for `each` steps."""
    pairing: Literal["fixed", "as-released", "exact", "trajectory"] = "fixed"
    """The published schedule, as its program is meant or as it is; "exact", the latent's own time step, is
    ours: the one that flows have; "trajectory" is the fast one."""
    ema: float = 0.999
    """m, in [0, 1)."""
    end: Literal["teacher", "student"] = "teacher"
    """Whose weights are the result."""
    guidance: float = 3.0
    """s_g > 1 of the latents' sampling."""
    solver_steps: int = 50
    batch_size: int = 1
    """Latents a step; the program has one."""
    each: int = 500
    """Steps that "sequential" stays with a concept, before the next; after the last comes the first again."""

    def __post_init__(self):
        one_of("concept_method", self.concept_method, METHODS)
        one_of("pairing", self.pairing, ("fixed", "as-released", "exact", "trajectory"))
        one_of("end", self.end, ("teacher", "student"))
        whole("each", self.each, 1)
        check_decay(self.ema)
        self._concepts = concepts_of(self.concept)
        self._joined = ", ".join(self._concepts)
        self._demand_room()
        solver = name_of(self.model.scheduler) if self.model.kind == "flow" else "ddim"
        self._partial = Partial(
            self.model, self.guidance, solver, self.solver_steps, self.pairing, self.batch_size
        )
        whole_runs = self.pairing == "trajectory"
        steps = lasting(len(self._partial.timesteps), self.batch_size) if whole_runs else 1
        self._buffer = Buffer(steps, self.batch_size)
        self._open("sdd", self.group, [*self._concepts, self._joined])
        self.teacher = EMA(self._parameters, self.ema)

    @property
    def settings(self) -> Mapping[str, Any]:
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "model"}
        return own | {"concept": self._concepts}

    def batch(self, step: int, rng: Generator) -> Batch:
        latents = self._buffer.take(step, lambda: self._latents(rng))
        z, t = latents["z"], latents["t"]
        null, seen = self._null(self.anchor, z, t), {}
        if step % DRIFT_EVERY == 0:
            (other,) = {"student", "original"} - {self.anchor}
            seen = {"drift": (null - self._null(other, z, t)).square().mean()}
        return Batch(z, t, [self._removed(step, rng)] * len(z), null, seen)

    def after_step(self) -> None:
        self.teacher.update()

    def state_dict(self) -> Mapping[str, Tensor]:
        return self.teacher.state_dict() | checkpoint.below("latents", self._buffer.state_dict())

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.teacher.load_state_dict(state)
        self._buffer.load_state_dict(checkpoint.under("latents", state), self.model.device)

    def final(self) -> Mapping[str, Tensor]:
        return self.teacher.mean if self.end == "teacher" else self._parameters

    @torch.no_grad()
    def _latents(self, rng: Generator) -> Tensors:
        """What fills the buffer: the teacher's samples of all concepts."""
        joined, null = self._conds[self._joined], self._conds[""]
        with self._holding(self.teacher.mean):
            if self.pairing == "trajectory":
                path = self._partial.all_steps(joined, null, TRAJECTORIES, rng)
                return shuffled(({"z": z, "t": t} for z, t, _ in path), rng)
            z, t = self._partial.draw(joined, null, [rng])
            return {"z": z, "t": t}

    @torch.no_grad()
    def _null(self, whose: str, z: Tensor, t: Tensor) -> Tensor:
        """e(z, t, c_0) of the student or of the original."""
        with self._holding(self._base) if whose == "original" else nullcontext():
            return self._predict(z, t, [""] * len(z))[0]

    def _removed(self, step: int, rng: Generator) -> str:
        """c_s of a step, counted from 0."""
        n = len(self._concepts)
        if self.concept_method == "composite":
            return self._joined
        if self.concept_method == "random":
            return self._concepts[index(n, rng)]
        if self.concept_method == "iterative":
            return self._concepts[step % n]
        return self._concepts[0 if self.pairing == "as-released" else step // self.each % n]

    def _demand_room(self) -> None:
        """Raises BadInput with the concepts that would be cut from the joined text."""
        if lost := self.model.lost(self._joined):
            kept = len(self._joined) - len(lost)
            ends = [len(", ".join(self._concepts[: i + 1])) for i in range(len(self._concepts))]
            cut = [concept for concept, end in zip(self._concepts, ends, strict=True) if end > kept]
            raise BadInput(f"the joined concepts do not fit into the text encoder; cut: {', '.join(cut)}")
