"""Semantic guidance: moves the elements that carry a concept away from it, or towards it.

Idea
    A text moves most strongly those elements of the prediction that carry its meaning. Of each concept's
    direction only the largest elements are kept, a percentile of each channel, and added to the guidance, or
    subtracted to leave the concept; all else stays as it was. A concept acts from warm-up to cool-down.

Equations
    e_0, e_p, e_c: predictions without text, for the prompt, for concept c. r_c: -1 leaves it, +1 seeks it.
    psi_c = r_c s_c (e_c - e_0)                                                      (1)
    eta_c = quantile of |psi_c| at q_c, over h x w of one picture's channel          (2)
    psi_c = 0 where |psi_c| < eta_c, and everywhere from cool-down k_c on            (3)
    gamma = sum_c g_c psi_c + s_m nu                                                 (4)
    nu   <- beta_m nu + (1 - beta_m) gamma        from the first step on, nu = 0     (5)
    eps   = e_0 + s_g (e_p - e_0) + gamma         once every warm-up w_c is over     (6)
    eps   = e_0 + s_g (e_p - e_0) + sum_c g_c psi_c / sum_c g_c                      (7)
            until then, over the concepts that are past theirs and not cooled down

Differs
    The equations are those of the authors' code and diffusers' pipeline; the paper prints one concept.
    Defaults: there a concept is sought (scale 5, momentum scale 0.1); here it is left, with the preset
    `medium`. The presets are the authors' for Inappropriate Image Prompts; their text, the default, is
    without the one term that names minors.
    Where (7) sums over nothing, theirs divides 0 by 0 and the picture is lost; here nothing is added. Theirs
    fails with solvers that iterate more often than asked, and mixes up concepts given as embeddings for more
    than one prompt; here iterations count, and each picture has its concepts and its percentiles.
    Settings that can never act, negative scales and weights are refused instead of ignored. What is not
    finite stays in psi, so that the picture fails; theirs cuts it off.
    v-prediction and flow: a percentile is the same on the prediction and on the epsilon that it implies.
    A concept may be an embedding (`editing_prompt_embeddings`), as a file; one that is sought must be words,
    which the hard stop can read. Vectors from another run (`sem_guidance`) are the method `guidance-vectors`.
    Left out: the earlier form, which cuts by value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor

from safelight.core.concepts import concept_texts
from safelight.core.errors import BadInput
from safelight.core.method import Method
from safelight.core.nouns import Cond, Moment, Prompt
from safelight.core.quantiles import quantiles
from safelight.core.valid import flag, number, per_item, whole
from safelight.store import conditioning

PRESET = ("edit_guidance_scale", "edit_warmup_steps", "edit_threshold", "edit_momentum_scale")
BY_CONCEPT = (
    "reverse_editing_direction", "edit_guidance_scale", "edit_warmup_steps", "edit_cooldown_steps",
    "edit_threshold", "edit_weights",
)  # fmt: skip


@final
@dataclass(frozen=True)
class SEGA(Method):
    """Semantic guidance away from concepts. Defaults: the preset `medium`. The fields have the names of the
    authors' pipeline. Those of a concept take one value for all concepts, or a tuple with one for each."""

    paper = "arXiv:2301.12247 (Brack et al., NeurIPS 2023)"
    presets: ClassVar = {
        "medium": dict(zip(PRESET, (4, 10, 0.90, 0.3), strict=True)),
        "strong": dict(zip(PRESET, (7, 5, 0.85, 0.5), strict=True)),
        "max": dict(zip(PRESET, (10, 0, 0.75, 0.5), strict=True)),
    }

    concept: str | tuple[str, ...] = "sld-19-image"
    """A known name (`safelight.core.concepts`), free text, the path of an embedding that ends in
    `.safetensors` (`safelight.store.conditioning`), or several."""
    reverse_editing_direction: bool | tuple[bool, ...] = True
    """r_c: true leaves the concept, false seeks it."""
    edit_guidance_scale: float | tuple[float, ...] = 4
    """s_c > 0; it stands beside the guidance scale."""
    edit_warmup_steps: int | tuple[int, ...] = 10
    """w_c: solver iterations before the concept acts; they already feed the momentum."""
    edit_cooldown_steps: int | tuple[int | None, ...] | None = None
    """k_c > w_c: the solver iteration from which the concept acts no more; None: it acts to the end."""
    edit_threshold: float | tuple[float, ...] = 0.9
    """q_c in [0, 1]: the share of elements that is left alone."""
    edit_weights: float | tuple[float, ...] = 1
    """g_c > 0."""
    edit_momentum_scale: float = 0.3
    """s_m >= 0."""
    edit_mom_beta: float = 0.4
    """beta_m in [0, 1]: how much of the old momentum stays."""
    momentum_tail: bool = True
    """Whether it is still added, and fades, when all concepts have cooled down."""

    def __post_init__(self):
        for e in self.edits:
            flag("reverse_editing_direction", e.reverse)
            number("edit_guidance_scale", e.scale, 0, above=True)
            whole("edit_warmup_steps", e.warmup, 0)
            if e.cooldown is not None:
                whole("edit_cooldown_steps", e.cooldown, e.warmup + 1)
            number("edit_threshold", e.threshold, 0, 1)
            number("edit_weights", e.weight, 0, above=True)
            if e.text in self.embeddings and not e.reverse:
                raise BadInput(f"{e.text} is an embedding: a concept that is sought must be words")
        number("edit_momentum_scale", self.edit_momentum_scale, 0)
        number("edit_mom_beta", self.edit_mom_beta, 0, 1)
        flag("momentum_tail", self.momentum_tail)

    @cached_property
    def edits(self) -> tuple[Edit, ...]:
        """The concepts, each with its own settings."""
        texts = concept_texts(self.concept)
        rows = [f"concept {j}" for j in range(1, len(texts) + 1)]
        columns = [per_item(name, getattr(self, name), len(texts)) for name in BY_CONCEPT]
        return tuple(Edit(*values) for values in zip(rows, texts, *columns, strict=True))

    @cached_property
    def embeddings(self) -> Mapping[str, Cond]:
        """By path, the concepts that are files."""
        return conditioning.among(concept_texts(self.concept))

    @property
    def contents(self) -> Mapping[str, Any]:
        read = {text: conditioning.content(cond) for text, cond in self.embeddings.items()}
        return {"concept": [read.get(e.text, e.text) for e in self.edits]} if read else {}

    @property
    def sought(self) -> tuple[str, ...]:
        return tuple(e.text for e in self.edits if not e.reverse)

    def rows(self, p: Prompt) -> Mapping[str, str | Cond]:
        return {e.row: self.embeddings.get(e.text, e.text) for e in self.edits}

    def check(self, n: int, scale: float) -> list[str]:
        weak = [f"guidance is {scale}: semantic guidance acts only above 1"] if scale <= 1 else []
        return weak + [
            f"edit_warmup_steps = {e.warmup} leaves none of the solver's {n} iterations for {e.text!r:.40} to"
            " act in: take fewer, or more steps"
            for e in self.edits
            if e.warmup >= n
        ]

    def start(self) -> State:
        return State()

    def active(self, i: int, n: int) -> frozenset[str] | None:
        return frozenset(e.row for e in self._live(i))

    def term(self, here: Moment, raw: Mapping[str, Tensor], state: State) -> Tensor | float:
        live = self._live(here.i)
        if not (live or self.momentum_tail):
            return 0.0
        warm = [e for e in live if here.i >= e.warmup]
        psi = _strongest(live, raw) if live else {}
        gamma = sum(e.weight * psi[e.row] for e in live) + self.edit_momentum_scale * state.nu  # (4)
        if self._remembers:
            state.nu = self.edit_mom_beta * state.nu + (1 - self.edit_mom_beta) * gamma  # (5)
        if any(here.i < e.warmup for e in self.edits):
            gamma = sum(e.weight / sum(f.weight for f in warm) * psi[e.row] for e in warm)  # (7)
        if isinstance(gamma, Tensor):
            state.steps.append(here.i)
        for e in warm:
            state.shares.setdefault(e.row, []).append((psi[e.row] != 0).float().flatten(1).mean(1))
        return gamma  # (6)

    def report(self, state: State, b: int) -> list[dict[str, Any]]:
        """Besides on: the concepts, the iterations that added something, and `shares`, the mean share of
        elements that each concept moved in the iterations in which it acted; `share` is their mean."""
        means = {row: torch.stack(shares).mean(0).tolist() for row, shares in state.shares.items()}
        none = "no direction: its concepts are predicted like the unconditional text"
        off = {"why": none if means else "the run left out its iterations"}
        said = {"concept": [e.text for e in self.edits], "steps": state.steps}
        return [
            {"on": any(own), **said, "shares": [*own], "share": sum(own) / len(own)}
            | ({} if any(own) else off)
            for own in zip(*(means.get(e.row, [0.0] * b) for e in self.edits), strict=True)
        ]

    def _live(self, i: int) -> list[Edit]:
        """The concepts that iteration i must predict: those that act, and those that feed the momentum."""
        uncooled = [e for e in self.edits if e.cooldown is None or i < e.cooldown]
        return [e for e in uncooled if i >= e.warmup or self._remembers]

    @property
    def _remembers(self) -> bool:
        """Whether a momentum ever builds up and counts."""
        return self.edit_momentum_scale > 0 and self.edit_mom_beta < 1


class Edit(NamedTuple):
    """One concept: the name of its row, its text, and its settings in the order of `BY_CONCEPT`."""

    row: str
    text: str
    reverse: bool
    scale: float
    warmup: int
    cooldown: int | None
    threshold: float
    weight: float


@dataclass
class State:
    """nu; the iterations that added something; by row, the share of elements moved in each that it acted."""

    nu: Float[Tensor, "b c h w"] | float = 0.0
    steps: list[int] = field(default_factory=list)
    shares: dict[str, list[Float[Tensor, " b"]]] = field(default_factory=dict)


def _strongest(edits: Sequence[Edit], raw: Mapping[str, Tensor]) -> dict[str, Float[Tensor, "b c h w"]]:
    """psi by row."""
    strength = raw["uncond"].new_tensor([-e.scale if e.reverse else e.scale for e in edits])
    psi = strength.view(-1, 1, 1, 1, 1) * (torch.stack([raw[e.row] for e in edits]) - raw["uncond"])  # (1)
    eta = quantiles(psi.abs().flatten(3), [e.threshold for e in edits])[..., None]  # (2)
    psi = torch.where(psi.abs() < eta, 0, psi)  # (3); what is not a number is not less, and stays
    return dict(zip([e.row for e in edits], psi, strict=True))
