"""THE sampling loop. Guidance is a sum of terms over one table of predictions:

    guided = uncond + s (prompt - uncond + sum of scaled terms) + sum of the other terms

Stop early, keep the steps, or run to the end: the caller's `for` decides. More features belong in a method, a
solver or that `for`, not here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from safelight.core.method import Method
from safelight.core.nouns import Cap, Cond, Moment, Step
from safelight.core.ports import Backbone, Solver

Raw = dict[str, Tensor]
SHARED = ("uncond", "prompt")
"""Rows that every method sees; all others belong to one method and are local to it."""


@dataclass(frozen=True)
class Mask:
    """Inpainting: where `keep` is 1 the result is `clean`, carried along at each iteration's noise level."""

    keep: Float[Tensor, "b 1 h w"]
    clean: Float[Tensor, "b c h w"]
    noise: Float[Tensor, "b c h w"]


def row_key(method: int, row: str) -> str:
    """The name in the table of a row that the method at this position calls `row`."""
    return row if row in SHARED else f"{method}:{row}"


def denoise(
    model: Backbone,
    solver: Solver,
    rows: Mapping[str, Cond],
    x: Float[Tensor, "b c h w"],
    *,
    scale: float,
    methods: Sequence[Method] = (),
    states: Sequence[Any] | None = None,
    rngs: Sequence[Generator] | None = None,
    start: int = 0,
    mask: Mask | None = None,
    max_rows: int | None = None,
) -> Iterator[Step]:
    """Denoises `x` from solver iteration `start`, yielding a `Step` after each.

    Args:
        rows: conditioning by row: "prompt", "uncond" (left out for no guidance), and the methods' own under
            `row_key`. A batch of 1 stands for all samples.
        x: the solver's latent at iteration `start`: `init_scale` times noise for 0, else
            `solver.add_noise(clean, noise, start)`.
        scale: classifier-free guidance s_g.
        states: what the methods' `start` returned, to read reports from afterwards.
        rngs: one generator a sample, for solvers that draw noise.
        max_rows: at most so many rows of the batch in one forward pass; bits may change, at rounding level.
    """
    n = len(solver.timesteps)
    states = [method.start() for method in methods] if states is None else states
    grad = any(Cap.GRAD in method.needs for method in methods)
    table = _Table(model, {name: cond.expand(len(x)) for name, cond in rows.items()}, max_rows)
    for i in range(start, n):
        t = solver.timesteps[i]
        active = active_rows(rows, methods, i, n)
        with torch.set_grad_enabled(grad):
            x_in = solver.scale_input(x, i).detach().requires_grad_(grad)
            raw = table.predict(active, x_in, t)
        here = Moment(i, n, t, x_in, *solver.alpha_sigma(i), model.kind, scale, model.decode)
        guided = guide(here, raw, methods, states)
        with torch.no_grad():
            following, mean, std = solver.step(guided, i, x, rngs)
            if mask is not None:
                known = solver.add_noise(mask.clean, mask.noise, i + 1)
                following = mask.keep * known + (1 - mask.keep) * following
        plain = {name: value.detach() for name, value in raw.items()}
        yield Step(i, t, x, guided, following, plain, mean, std)
        x = following


def guide(
    here: Moment, raw: Mapping[str, Tensor], methods: Sequence[Method], states: Sequence[Any]
) -> Float[Tensor, "b c h w"]:
    """The guided prediction from the table of predictions `raw`: the equation at the top of this file."""
    plain = {name: value.detach() for name, value in raw.items()}
    origin = plain.get("uncond", plain["prompt"])
    scaled, others = plain["prompt"] - origin, 0.0
    for k, (method, state) in enumerate(zip(methods, states, strict=True)):
        grad = Cap.GRAD in method.needs
        with torch.set_grad_enabled(grad):
            term = method.term(here, _seen_by(k, raw if grad else plain), state)
        term = term.detach() if isinstance(term, Tensor) else term
        scaled, others = (scaled + term, others) if method.scaled else (scaled, others + term)
    return origin + (here.scale * scaled + others)


def active_rows(rows: Iterable[str], methods: Sequence[Method], i: int, n: int) -> tuple[str, ...]:
    """The rows to predict at iteration i of n, in the table's order."""
    names = tuple(rows)
    skipped: set[str] = set()
    for k, method in enumerate(methods):
        if (wanted := method.active(i, n)) is not None:
            own = {name for name in names if name.startswith(f"{k}:")}
            skipped |= own - {row_key(k, name) for name in wanted}
    return tuple(name for name in names if name not in skipped)


def _seen_by(k: int, raw: Mapping[str, Tensor]) -> Raw:
    """The predictions under the names that the method at position k gave its rows."""
    seen = {name: raw[name] for name in SHARED if name in raw}
    return seen | {name.removeprefix(f"{k}:"): raw[name] for name in raw if name.startswith(f"{k}:")}


class _Table:
    """Rows to predictions: one forward pass for all rows of equal shape, conditioning joined only once."""

    def __init__(self, model: Backbone, rows: Mapping[str, Cond], max_rows: int | None):
        self.model, self.rows, self.max_rows = model, rows, max_rows
        self.joined: dict[tuple[str, ...], Cond] = {}

    def predict(self, names: Sequence[str], x: Tensor, t: Tensor) -> Raw:
        raw: Raw = {}
        for _, group in groupby(sorted(names, key=self._shape), self._shape):
            same = tuple(group)
            if same not in self.joined:
                self.joined[same] = join([self.rows[name] for name in same])
            out = self._forward(torch.cat([x] * len(same)), t, self.joined[same])
            raw |= zip(same, out.chunk(len(same)), strict=True)
        return raw

    def _shape(self, name: str) -> tuple:
        return self.rows[name].shape

    def _forward(self, x: Tensor, t: Tensor, cond: Cond) -> Tensor:
        size = self.max_rows or len(x)
        parts = range(0, len(x), size)
        outs = [
            self.model.predict(x[a : a + size], t, cond.map(lambda c, a=a: c[a : a + size])) for a in parts
        ]
        return outs[0] if len(outs) == 1 else torch.cat(outs)


def join(conds: Sequence[Cond]) -> Cond:
    """Conditionings of equal shape as one batch."""
    first = conds[0]
    return Cond(
        {key: torch.cat([cond.tokens[key] for cond in conds]) for key in first.tokens},
        {key: torch.cat([cond.pooled[key] for cond in conds]) for key in first.pooled},
        {key: torch.cat([cond.extra[key] for cond in conds]) for key in first.extra},
    )
