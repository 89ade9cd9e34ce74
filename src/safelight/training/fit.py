"""The trainer: the only loop with an optimiser.

The randomness of step k is a generator seeded with (seed, k) and nothing else, so a checkpoint needs no
random state, and a run that was killed at any moment goes on to the same bits (same machine, same threads).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from safelight.core.errors import BadInput, SafelightError
from safelight.core.valid import number, one_of, whole
from safelight.store.files import sweep
from safelight.training import checkpoint, precision
from safelight.training.objective import Objective

FILE = "checkpoint.safetensors"


@dataclass(frozen=True)
class Plan:
    """How long, how fast, how exactly. The optimiser is AdamW at a constant rate; without decay it is Adam.

    steps: updates. lr: step size. clip: largest norm of all gradients together; None for no clipping.
    precision: of forward passes, see `training.precision`.
    """

    steps: int
    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip: float | None = None
    seed: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self):
        one_of("precision", self.precision, precision.PRECISIONS)
        whole("steps", self.steps, 1)
        whole("seed", self.seed, 0)
        if self.seed >= 2**32:
            raise BadInput(f"seed must be below 2**32, got {self.seed}")
        number("lr", self.lr, 0, above=True)
        number("eps", self.eps, 0, above=True)
        number("weight_decay", self.weight_decay, 0)
        for beta in self.betas:
            number("betas", beta, 0, 1 - 1e-9)
        if self.clip is not None:
            number("clip", self.clip, 0, above=True)


@dataclass(frozen=True)
class Row:
    """The record of one step: `step` updates of `of` are done.

    values: "loss", "gradient_norm" (before clipping), and what else the objective records.
    seconds: this step's time.
    """

    step: int
    of: int
    values: Mapping[str, float]
    seconds: float


class Diverged(SafelightError):
    """A loss or a gradient is not finite. The weights before that step are in the network and on disk."""


def fit(
    objective: Objective,
    plan: Plan,
    folder: Path,
    on_row: Callable[[Row], None] = lambda row: None,
    every: float = 60.0,
    writes: bool = True,
) -> None:
    """Trains the objective's parameters in place; goes on from `folder/checkpoint.safetensors` if it exists.

    Args:
        folder: this training's own.
        on_row: gets each step's record as it is made: a progress bar, a table. After a kill the steps since
            the last checkpoint come again, with the same values but the seconds. A step that a checkpoint
            holds was told before, so none is missed.
        every: seconds between checkpoints; one is always made at the end. Does not change the result.
        writes: whether checkpoints are written; of several `processes` that train together by one only.

    Raises:
        BadInput: the checkpoint is of another plan or objective, a parameter is in half precision, or the
            device has no such precision.
        Damaged: the checkpoint is unreadable.
        Diverged: a loss or gradient is not finite.
    """
    run, path = _Run(objective, plan), folder / FILE
    folder.mkdir(parents=True, exist_ok=True)
    if writes:
        sweep(folder)
    if path.exists():
        run.load(path)
    saved = time.monotonic()
    while run.step < plan.steps:
        begun = time.perf_counter()
        try:
            values = run.advance()
        except Diverged:
            if writes:
                run.save(path)
            raise
        on_row(Row(run.step, plan.steps, values, time.perf_counter() - begun))
        if writes and (time.monotonic() - saved >= every or run.step == plan.steps):
            run.save(path)
            saved = time.monotonic()


def draw(seed: int, step: int) -> torch.Generator:
    """The generator of one step."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def following(rng: torch.Generator, n: int) -> list[torch.Generator]:
    """The generators of n steps from that of the first, of which nothing was drawn yet."""
    return [torch.Generator().manual_seed(rng.initial_seed() + k) for k in range(n)]


def index(n: int, rng: torch.Generator) -> int:
    """A uniform draw from 0..n-1."""
    return int(torch.randint(n, (), generator=rng))


class _Run:
    """Parameters, optimiser, objective and step count: all that a checkpoint holds."""

    def __init__(self, objective: Objective, plan: Plan):
        self.objective, self.plan, self.step = objective, plan, 0
        self.parameters = dict(objective.parameters())
        for name, parameter in self.parameters.items():
            if parameter.dtype in (torch.float16, torch.bfloat16):
                raise BadInput(
                    f"'{name}' is {parameter.dtype}: updates of size lr would be rounded away; "
                    "load the model with dtype='float32'"
                )
        self.device = next(iter(self.parameters.values())).device
        precision.demand(plan.precision, self.device)
        self.optimiser = torch.optim.AdamW(
            self.parameters.values(),
            lr=plan.lr,
            betas=plan.betas,
            eps=plan.eps,
            weight_decay=plan.weight_decay,
        )
        self.facts = _plain({"plan": asdict(plan), "objective": objective.config})

    def advance(self) -> dict[str, float]:
        """One update; returns its record. Changes nothing if it raises `Diverged`."""
        with precision.forward(self.plan.precision, self.device):
            batch = self.objective.batch(self.step, draw(self.plan.seed, self.step))
            terms = self.objective.loss(batch)
        self._demand("loss", terms["loss"])
        self.optimiser.zero_grad(set_to_none=True)
        terms["loss"].backward()
        limit = math.inf if self.plan.clip is None else self.plan.clip  # a limit of inf multiplies by 1
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), limit)
        self._demand("gradient", norm)
        self.optimiser.step()
        self.objective.after_step()
        self.step += 1
        return {name: float(value.detach()) for name, value in {**terms, "gradient_norm": norm}.items()}

    def _demand(self, what: str, value: Tensor) -> None:
        if not value.isfinite():
            raise Diverged(
                f"the {what} of step {self.step} is not finite; the weights before this step are kept. "
                f"Lower lr ({self.plan.lr:g}) or clip the gradient (clip={self.plan.clip})"
            )

    def save(self, path: Path) -> None:
        tensors = checkpoint.below("weights", self.parameters)
        tensors |= checkpoint.below("objective", self.objective.state_dict())
        for name, parameter in self.parameters.items():
            tensors |= checkpoint.below(f"optimiser/{name}", self.optimiser.state.get(parameter, {}))
        checkpoint.write(path, tensors, self.facts | {"step": self.step})

    @torch.no_grad()
    def load(self, path: Path) -> None:
        tensors, facts = checkpoint.read(path)
        self.step = facts.pop("step")
        if changed := differences(facts, self.facts):
            raise BadInput(f"{path} is of another training ({'; '.join(changed)}): take another folder")
        for name, value in checkpoint.under("weights", tensors).items():
            self.parameters[name].copy_(value)
        states = {i: checkpoint.under(f"optimiser/{name}", tensors) for i, name in enumerate(self.parameters)}
        kept = {i: state for i, state in states.items() if state}
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": kept})
        self.objective.load_state_dict(checkpoint.under("objective", tensors))


def _plain(value: Any) -> Any:
    """As JSON gives it back: tuples are lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple | list) else value


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """The settings in which two trainings differ, each as "plan.seed is 1 there and 2 here"."""
    a, b = _flat(there), _flat(here)
    return [
        f"{key} is {a.get(key)!r} there and {b.get(key)!r} here"
        for key in sorted(a | b)
        if a.get(key) != b.get(key)
    ]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in tree.items():
        out |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return out
