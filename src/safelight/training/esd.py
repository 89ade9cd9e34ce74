"""ESD: Erased Stable Diffusion (Gandikota et al. 2023, arXiv 2303.07345).

Idea: the network learns to predict for the concept what the original predicts when it is guided away from it.
The latents it learns on are on the way to pictures of the concept.

Equations: theta* frozen original, c concept, eta negative guidance, all targets without gradient:
    classic, sdd:  target = e*(x_t, t, "") - eta (e*(x_t, t, c) - e*(x_t, t, ""))
    2025:          target = e*(x_t, t, f)  - eta (e*(x_t, t, c) - e*(x_t, t, ""))
    alt:           as 2025
    f = `erase_from` if given, else c in 2025 and "" in alt
    L = mean( (e_theta(x_t, t, c') - target)^2 ),  c' = `erase_from` if given, else c

Without `erase_from`, 2025 pushes past the empty text by eta - 1: its eta = 2 is classic's eta = 1 and the
literature's "ESD-x-1". The manifest's `eta_classic` says so.

Differs: four programs bear this name, so one must be chosen by `recipe`:
    "classic"  github.com/rohitgandikota/erasing at a2189e9, which the paper used
    "sdd"      github.com/nannullna/safe-diffusion at a2e820c, which made the rows of the SDD paper
    "2025"     github.com/rohitgandikota/erasing at 25613d2; the original samples, each latent with its own t
    "alt"      the same commit's alt_esd_diffusers
They differ in which tensors a group names, in how time steps are paired (see `pairing`), in who samples, and
in their plans. Ours trains in float32 (2025: bfloat16, which rounds most of its updates away) at the
network's own size (2025: 1024 pixels, also for Stable Diffusion 1). 2025's default for SDXL, eta = 1, is
classic's 0, so no erasure but distillation towards the empty text; ours is 2 there too. Networks that predict
v are trained on v, which no program does: the target is the same one, and the loss 1 / alpha_t^2 of that in
epsilon. So are flows (Stable Diffusion 3, Flux), with recipe "2025" alone, as the authors do for Flux (at
46599b3); the other recipes pair time steps by DDIM's strides. Its default for Flux is eta = 1 again; ours 2.

Faster: where the original samples, AHEAD steps are drawn in one batch, with the same result. With
`pairing="trajectory"`, the fast schedule of `buffer`, a training takes about a tenth of the network rows, and
in recipe "2025" a seventeenth, as its samplings predict their own targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal, final

import torch
from torch import Generator, Tensor

from safelight.core.errors import BadInput
from safelight.core.ports import Backbone
from safelight.core.valid import number, one_of
from safelight.diffusion.solvers import name_of
from safelight.training.buffer import TRAJECTORIES, Buffer, Tensors, lasting, shuffled
from safelight.training.erasure import Batch, Erasure, concepts_of
from safelight.training.fit import Plan, following, index
from safelight.training.partial import Partial


@dataclass(frozen=True)
class Recipe:
    """What the programs disagree on. solver: a name, or "own" for the checkpoint's. anchor: f by default."""

    plan: Plan
    groups: str
    pairing: str
    sampler: Literal["student", "original"]
    anchor: Literal["null", "concept"]
    eta: float
    guidance: float
    solver: str
    group: str


CLASSIC_PLAN = Plan(1000, 1e-5)
SDD_PLAN = replace(CLASSIC_PLAN, weight_decay=1e-4, clip=1.0)
RECIPES: Mapping[str, Recipe] = {
    "classic": Recipe(CLASSIC_PLAN, "classic", "classic", "student", "null", 1, 3, "ddim", "xattn"),
    "sdd": Recipe(SDD_PLAN, "sdd", "as-released", "student", "null", 3, 3, "ddim", "xattn"),
    "2025": Recipe(Plan(200, 5e-5), "2025", "exact", "original", "concept", 2, 3, "own", "esd-x"),
    "alt": Recipe(Plan(200, 2e-5), "2025", "alt", "student", "null", 2, 3, "ddim", "esd-x"),
}
AHEAD = 8
"""Steps whose latents are sampled in one batch if they do not depend on the training."""
SDXL_2025 = replace(RECIPES["2025"], plan=Plan(200, 2e-4), guidance=2)
SDXL_2025_U = replace(SDXL_2025, plan=Plan(200, 1e-5))
"""Its program forces this rate for esd-u."""
FLUX_2025 = replace(RECIPES["2025"], plan=Plan(1400, 1e-4), guidance=1)
"""The latents are guided by what the network is fed; schnell is fed nothing and needs a guidance above 1."""
SD3_2025 = replace(RECIPES["2025"], plan=Plan(200, 3e-5), guidance=7.5)
"""Not the authors': github.com/CookedMorsel/erasing at d1f5368, which goes on from their program."""


@final
@dataclass(eq=False)
class ESD(Erasure):
    """Takes concepts out of `model` by negative guidance: an `Objective`. None: the recipe's.

    Attributes:
        how: the recipe with the settings given; `how.plan` is the published plan.

    Raises:
        BadInput, UnknownName, Refused: a setting cannot be used, or not with this model; before any work.
    """

    name: ClassVar[str] = "esd"

    model: Backbone
    concept: str | tuple[str, ...]
    """Of several, one is drawn at each step; on trajectories, for each."""
    recipe: Literal["classic", "sdd", "2025", "alt"] = "2025"
    group: str | None = None
    """Which tensors: see `groups.GROUPS`."""
    eta: float | None = None
    """In the recipe's own convention."""
    guidance: float | None = None
    """s_g > 1 of the latents' sampling."""
    pairing: Literal["trajectory"] | None = None
    """"trajectory" is the fast schedule, None the published one."""
    erase_from: str | None = None
    """f: what the concept is taken out of; recipes "2025" and "alt" only."""
    solver_steps: int = 50
    batch_size: int = 1
    """Latents a step; the programs have one."""

    def __post_init__(self):
        one_of("recipe", self.recipe, RECIPES)
        if self.pairing is not None:
            one_of("pairing", self.pairing, ("trajectory",))
        given = {key: getattr(self, key) for key in ("group", "eta", "guidance", "pairing")}
        recipe = self._published()
        self.how = replace(recipe, **{key: value for key, value in given.items() if value is not None})
        self._concepts = concepts_of(self.concept)
        self._demand_direction()
        solver = name_of(self.model.scheduler) if self.how.solver == "own" else self.how.solver
        self._partial = Partial(
            self.model, self.how.guidance, solver, self.solver_steps, self.how.pairing, self.batch_size
        )
        self._buffer = Buffer(self._steps_ahead(), self.batch_size)
        texts = [*self._concepts, *([self.erase_from] if self.erase_from else [])]
        self._open(self.how.groups, self.how.group, texts)

    @property
    def settings(self) -> Mapping[str, Any]:
        how = {key: value for key, value in asdict(self.how).items() if key != "plan"}
        own = {"concept": self._concepts, "recipe": self.recipe, "erase_from": self.erase_from}
        steps = {
            "lora": self.lora,
            "solver_steps": self.solver_steps,
            "batch_size": self.batch_size,
            "predicts": self.model.kind,
        }
        return {**own, **how, **steps, "eta_classic": self.eta_classic}

    @property
    def eta_classic(self) -> float | None:
        """How far past the empty text the target lies; None with `erase_from`, which is then the anchor."""
        if self.erase_from is not None:
            return None
        return self.how.eta - 1 if self.how.anchor == "concept" else self.how.eta

    def batch(self, step: int, rng: Generator) -> Batch:
        fill = self._trajectories if self.how.pairing == "trajectory" else self._drawn
        pairs = self._buffer.take(step, lambda: fill(rng))
        concepts = [self._concepts[k] for k in pairs["concept"].tolist()]
        return Batch(pairs["x"], pairs["t"], self._learners(concepts), pairs["target"])

    def state_dict(self) -> Mapping[str, Tensor]:
        return self._buffer.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._buffer.load_state_dict(state, self.model.device)

    @torch.no_grad()
    def target(self, x: Tensor, t: Tensor, concepts: Sequence[str]) -> Tensor:
        """The equation at the top of this file, with the original's weights; one concept a latent."""
        rows = [[""] * len(x), concepts] + ([self._learners(concepts)] if self.erase_from else [])
        with self._holding(self._base):
            return self._past(*self._predict(x, t, *rows))

    def _past(self, null: Tensor, e_c: Tensor, e_f: Tensor | None = None) -> Tensor:
        anchor = e_f if e_f is not None else e_c if self.how.anchor == "concept" else null
        return anchor - self.how.eta * (e_c - null)

    def _learners(self, concepts: Sequence[str]) -> Sequence[str]:
        """c' for each concept."""
        return [self.erase_from] * len(concepts) if self.erase_from else concepts

    def _drawn(self, rng: Generator) -> Tensors:
        """The pairs of the buffer's steps, of one concept each."""
        rngs = following(rng, self._buffer.steps)
        picked = [self._concepts[index(len(self._concepts), rng)] for rng in rngs]
        concepts = [concept for concept in picked for _ in range(self.batch_size)]
        with self._sampler():
            x, t = self._partial.draw(self._cond(self._learners(concepts)), self._conds[""], rngs)
        return self._pairs(x, t, concepts, self.target(x, t, concepts))

    def _trajectories(self, rng: Generator) -> Tensors:
        """All pairs of whole trajectories, of one concept each, shuffled."""
        concepts = [self._concepts[index(len(self._concepts), rng)] for _ in range(TRAJECTORIES)]
        # then sampling has predicted the targets; not where it is guided from within (Flux.1 dev)
        own = self.how.sampler == "original" and not self.erase_from and not self.model.inputs
        parts = []
        with self._sampler():
            cond = self._cond(self._learners(concepts))
            for x, t, raw in self._partial.all_steps(cond, self._conds[""], TRAJECTORIES, rng):
                target = self._past(raw["uncond"], raw["prompt"]) if own else self.target(x, t, concepts)
                parts.append(self._pairs(x, t, concepts, target))
        return shuffled(parts, rng)

    def _pairs(self, x: Tensor, t: Tensor, concepts: Sequence[str], target: Tensor) -> Tensors:
        concept = torch.tensor([self._concepts.index(text) for text in concepts])
        return {"x": x, "t": t, "concept": concept, "target": target}

    def _sampler(self) -> AbstractContextManager[None]:
        """The network is the recipe's sampler in here."""
        return self._holding(self._base) if self.how.sampler == "original" else nullcontext()

    def _steps_ahead(self) -> int:
        """Steps for which one buffer lasts."""
        if self.how.pairing == "trajectory":
            return lasting(len(self._partial.timesteps), self.batch_size)
        # a solver with memory takes the whole batch to the largest number of steps, which costs more rows
        return AHEAD if self.how.sampler == "original" and not self._partial.memory else 1

    def _published(self) -> Recipe:
        if self.recipe != "2025":
            return RECIPES[self.recipe]
        sdxl = SDXL_2025_U if self.group in ("esd-u", "noxattn") else SDXL_2025
        own = {"sdxl": sdxl, "sd3": SD3_2025, "flux": FLUX_2025}
        return own.get(self.model.family, RECIPES["2025"])

    def _demand_direction(self) -> None:
        """Raises BadInput where the target would not lie past the empty text."""
        number("eta", self.how.eta, 0, above=True)
        if self.eta_classic is not None and self.eta_classic <= 0:
            raise BadInput(
                f"eta must be above 1 in recipe '{self.recipe}', got {self.how.eta}: "
                "it is the classic eta plus 1; at 1 the target is the empty text, and less keeps the concept"
            )
        if self.erase_from is None:
            return
        if self.recipe not in ("2025", "alt"):
            raise BadInput(f"erase_from belongs to the recipes '2025' and 'alt', not to '{self.recipe}'")
        if not self.erase_from.strip() or self.erase_from in self._concepts:
            raise BadInput(f"erase_from must be a text other than the concept, got {self.erase_from!r}")
