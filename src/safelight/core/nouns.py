"""The nouns all parts share. Plain frozen data; this module does not import torch, so that records, policies
and the command line can speak of decisions and scores without loading it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Literal

from safelight.core.errors import BadInput

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

Kind = Literal["epsilon", "v", "flow"]
Status = Literal["ok", "failed", "skipped"]


class Cap(Enum):
    """What a generator lets a method touch. The value is the sentence that refusals print."""

    PROMPT = "reads and writes the prompt text"
    IMAGE = "sees the finished image"
    EMBED = "reads and writes the text conditioning"
    STEPS = "sees every denoising step's predictions"
    GRAD = "may differentiate through the network"
    WEIGHTS = "may change parameters"
    CROSS_ATTN = "has text cross-attention layers"
    DENSITY = "knows mean and std of each denoising step"


class Outcome(StrEnum):
    """What was done with a prompt or a picture, strictest first."""

    BLOCK = "block"
    REVIEW = "review"
    REPLACE = "replace"
    BLUR = "blur"
    REPAIR = "repair"
    REWRITE = "rewrite"
    ALLOW = "allow"


WITHHELD = frozenset({Outcome.BLOCK, Outcome.REVIEW})
"""Outcomes that leave no picture; what goes to review stays in the store."""


def strictest(outcomes: Iterable[Outcome]) -> Outcome:
    """The strictest of the outcomes of one picture; `allow` if there is none.

    Raises ValueError if one, a method's plain string perhaps, is no outcome.
    """
    order = list(Outcome)
    return min(map(Outcome, outcomes), key=order.index, default=Outcome.ALLOW)


@dataclass(frozen=True)
class Prompt:
    """What the user asked for: the text, and the user's own negative prompt (empty = none)."""

    text: str
    negative: str = ""

    def __post_init__(self):
        for name in ("text", "negative"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise BadInput(f"prompt {name} must be a string, got {type(value).__name__}: {value!r:.80}")
            if any("\ud800" <= c <= "\udfff" for c in value):
                raise BadInput(f"prompt {name} is not valid Unicode (a lone surrogate): {value!r:.80}")


@dataclass(frozen=True)
class Decision:
    """One judgement that may change what the user gets. A row in the database before the picture is released.

    `score` and `threshold` are in the units of `judge` ("name@version"); `ms` is the time the decision took.
    """

    sample: str
    stage: Literal["prompt", "image"]
    hook: str
    method: str
    outcome: Outcome
    reason: str
    category: str = ""
    score: float | None = None
    threshold: float | None = None
    judge: str = ""
    status: Status = "ok"
    evidence: Mapping[str, object] = field(default_factory=dict)
    ms: float = 0.0


@dataclass(frozen=True)
class Score:
    """What a judge says of one item: a value in its range for each label, or None and the reason why not.

    `boxes` are (label, x, y, width, height, value) in pixels, for judges that point at things.
    """

    values: Mapping[str, float] | None
    status: Status = "ok"
    detail: str = ""
    boxes: tuple[tuple[str, float, float, float, float, float], ...] = ()


@dataclass(frozen=True)
class Cond:
    """What the network is conditioned on. `tokens` by text encoder; only a backbone concatenates them, so
    that a map over one encoder's width knows its slice. `pooled` and `extra` [b, ...] as the family needs."""

    tokens: Mapping[str, Float[Tensor, "b l d"]]
    pooled: Mapping[str, Tensor] = field(default_factory=dict)
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    def map(self, f: Callable[[Tensor], Tensor]) -> Cond:
        """The same conditioning with `f` applied to every tensor."""
        parts = (self.tokens, self.pooled, self.extra)
        return Cond(*({key: f(value) for key, value in part.items()} for part in parts))

    def expand(self, b: int) -> Cond:
        """A conditioning of batch 1 seen as one of batch `b`, without a copy; one of batch `b` unchanged."""
        return self.map(lambda x: x.expand(b, *x.shape[1:]))

    @property
    def shape(self) -> tuple:
        """Names and shapes without the batch: rows of equal shape share a forward pass."""
        parts = (self.tokens, self.pooled, self.extra)
        return tuple((key, *value.shape[1:]) for part in parts for key, value in part.items())


@dataclass(frozen=True)
class Moment:
    """One point of the trajectory as a guidance term sees it: `x = alpha * x0 + sigma * eps` in all families.

    i, n: this solver iteration and their number. t: the network's time. x: the network's own input.
    alpha, sigma: the solver's, at this iteration. scale: classifier-free guidance s_g.
    decode: latent -> image in [0, 1].
    """

    i: int
    n: int
    t: Tensor
    x: Float[Tensor, "b c h w"]
    alpha: float
    sigma: float
    kind: Kind
    scale: float
    decode: Callable[[Tensor], Tensor]

    @property
    def eps_per_raw(self) -> float:
        """d eps / d raw at fixed x: what turns differences of raw predictions into those of implied epsilon.

        epsilon: 1. v = alpha eps - sigma x0 gives eps = alpha v + sigma x; flow v = eps - x0 gives
        eps = x + alpha v (as alpha + sigma = 1): alpha in both.
        """
        return 1.0 if self.kind == "epsilon" else self.alpha

    def x0(self, raw: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The clean latent that the prediction `raw` implies."""
        if self.kind == "epsilon":
            return (self.x - self.sigma * raw) / self.alpha
        if self.kind == "v":
            return self.alpha * self.x - self.sigma * raw
        return self.x - self.sigma * raw


@dataclass(frozen=True)
class Step:
    """What the loop yields: latents before and after, the guided prediction, and every row's own prediction.

    `mean` and `std` are those of p(next | x) where the solver knows them (`Cap.DENSITY`).
    """

    i: int
    t: Tensor
    x: Float[Tensor, "b c h w"]
    guided: Float[Tensor, "b c h w"]
    next: Float[Tensor, "b c h w"]
    raw: Mapping[str, Float[Tensor, "b c h w"]]
    mean: Float[Tensor, "b c h w"] | None = None
    std: float | None = None
