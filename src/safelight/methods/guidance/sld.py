"""Safe Latent Diffusion: guidance away from a concept, where the prompt's prediction comes near it.

Idea
    A third prediction, for a text that names what is unsafe, tells where the picture is heading that way.
    Only there the guidance is turned away from it; elsewhere the picture stays as it was. A warm-up leaves
    the composition of the first steps alone; a momentum keeps the direction over the steps.

Equations
    e_0, e_p, e_S: predictions without text, for the prompt, for the concept; all operations are elementwise.
    d     = e_p - e_S
    phi   = min(1, s_S |d|)                                                          eq. 6
    mu    = phi where d < lambda, else 0                                             eq. 6
    gamma = mu (e_S - e_0) + s_m nu                                                  eq. 4, 7
    nu   <- beta_m nu + (1 - beta_m) gamma        from the first step on, nu = 0     eq. 8
    eps   = e_0 + s_g (e_p - e_0 - gamma)         from step delta on                 eq. 3

Differs
    From the paper: it prints max(1, |phi|) in eq. 6; the authors' code takes the minimum, and so does this.
    The scale of `weak` is 200 in the paper and 20 in diffusers (`weak-diffusers`).
    From the authors' code and diffusers' pipeline: settings that can never act (warm-up not shorter than the
    run, guidance 1 or less) are refused instead of ignored; a scale of 0 is off, and one in (0, 1] acts.
    delta counts solver iterations, as theirs does (some solvers make more than steps); it may be a fraction.
    A prompt in the concept's own words is not steered at all, since d = 0: said in the report, and warned of.
    Several concepts each have their own mask and momentum, and their terms add up (ours).
    v-prediction and flow: d is taken on the epsilon that the predictions imply; the term stays linear in the
    prediction itself (ours; the references apply epsilon's formula unchanged).
    The default text leaves out the one term of the published list that names minors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from safelight.core.concepts import concept_texts
from safelight.core.errors import BadInput
from safelight.core.method import Method
from safelight.core.nouns import Moment, Prompt
from safelight.core.valid import number

FIELDS = ("sld_guidance_scale", "sld_warmup_steps", "sld_threshold", "sld_momentum_scale", "sld_mom_beta")


@final
@dataclass(frozen=True)
class SLD(Method):
    """Safety guidance. Defaults: the preset `medium`. The fields have the names of the authors' pipeline."""

    scaled = True
    paper = "arXiv:2211.05105 (Schramowski et al., CVPR 2023)"
    presets: ClassVar = {
        name: dict(zip(FIELDS, values, strict=True))
        for name, values in {
            "weak": (200, 15, 0.0, 0.0, 0.0),
            "weak-diffusers": (20, 15, 0.0, 0.0, 0.0),
            "medium": (1000, 10, 0.01, 0.3, 0.4),
            "strong": (2000, 7, 0.025, 0.5, 0.7),
            "max": (5000, 0, 1.0, 0.5, 0.7),
        }.items()
    }

    concept: str | tuple[str, ...] = "sld-19"
    """A known name (`safelight.core.concepts`), free text, or several."""
    sld_guidance_scale: float = 1000
    """s_S >= 0; 0 is off."""
    sld_warmup_steps: int | float = 10
    """delta: a whole number of solver iterations, or a fraction of them in [0, 1)."""
    sld_threshold: float = 0.01
    """lambda, on differences of epsilon."""
    sld_momentum_scale: float = 0.3
    """s_m >= 0."""
    sld_mom_beta: float = 0.4
    """beta_m in [0, 1]: how much of the old momentum stays."""

    def __post_init__(self):
        concept_texts(self.concept)
        number("sld_guidance_scale", self.sld_guidance_scale, 0)
        number("sld_threshold", self.sld_threshold)
        number("sld_momentum_scale", self.sld_momentum_scale, 0)
        number("sld_mom_beta", self.sld_mom_beta, 0, 1)
        number("sld_warmup_steps", self.sld_warmup_steps, 0)
        if isinstance(self.sld_warmup_steps, float) and self.sld_warmup_steps >= 1:
            raise BadInput(
                "sld_warmup_steps must be a whole number of steps or a fraction in [0, 1), "
                f"got {self.sld_warmup_steps!r}"
            )

    def rows(self, p: Prompt) -> Mapping[str, str]:
        return {f"concept {j}": text for j, text in enumerate(concept_texts(self.concept), 1)}

    def check(self, n: int, scale: float) -> list[str]:
        problems = []
        if scale <= 1:
            problems.append(f"guidance is {scale}: safety guidance acts only above 1")
        if self._delta(n) >= n:
            problems.append(
                f"sld_warmup_steps = {self.sld_warmup_steps} leaves none of the solver's {n} iterations to"
                " act in: take fewer, a fraction such as 0.2, or more steps"
            )
        return problems

    def start(self) -> State:
        return State()

    def active(self, i: int, n: int) -> frozenset[str] | None:
        return frozenset() if self._idle(i, n) else None

    def term(self, here: Moment, raw: Mapping[str, Tensor], state: State) -> Tensor | float:
        if self._idle(here.i, here.n):
            return 0.0
        acts = here.i >= self._delta(here.n)
        total, e_0, e_p = 0.0, raw["uncond"], raw["prompt"]
        for name in self.rows(Prompt("")):
            e_S = raw[name]
            d = here.eps_per_raw * (e_p - e_S)
            phi = (self.sld_guidance_scale * d.abs()).clamp(max=1)  # Eq. 6
            mu = torch.where(d < self.sld_threshold, phi, 0)  # Eq. 6
            nu = state.nu.get(name, 0.0)
            pull = mu * (e_S - e_0)  # Eq. 4
            gamma = pull + self.sld_momentum_scale * nu  # Eq. 7
            state.nu[name] = self.sld_mom_beta * nu + (1 - self.sld_mom_beta) * gamma  # Eq. 8
            if acts:
                state.acted.setdefault(here.i, []).append((pull != 0).float().flatten(1).mean(1))
                total = total - gamma  # Eq. 3
        return total

    def report(self, state: State, b: int) -> list[dict[str, Any]]:
        """Besides on: the concepts, the iterations that acted, the mean share of elements they pulled at."""
        shares = [0.0] * b
        if state.acted:
            why = "nothing to pull at: the concept is predicted like the prompt or the unconditional text, or"
            why += " the threshold leaves no element"
            steps = [torch.stack(parts).mean(0) for parts in state.acted.values()]
            shares = torch.stack(steps).mean(0).tolist()
        else:
            why = "the run ended in the warm-up" if self.sld_guidance_scale else "sld_guidance_scale is 0"
        said = {"concept": list(concept_texts(self.concept)), "steps": list(state.acted)}
        return [
            said | {"on": share > 0, "share": share} | ({} if share > 0 else {"why": why}) for share in shares
        ]

    def _delta(self, n: int) -> int:
        warmup = self.sld_warmup_steps
        return round(warmup * n) if isinstance(warmup, float) else warmup

    def _idle(self, i: int, n: int) -> bool:
        """Whether this iteration neither acts nor feeds the momentum: then no concept needs a prediction."""
        return self.sld_guidance_scale == 0 or (self.sld_momentum_scale == 0 and i < self._delta(n))


@dataclass
class State:
    """nu by concept; for each iteration that acted, the share [b] of elements it pulled at, by concept."""

    nu: dict[str, Float[Tensor, "b c h w"]] = field(default_factory=dict)
    acted: dict[int, list[Float[Tensor, " b"]]] = field(default_factory=dict)
