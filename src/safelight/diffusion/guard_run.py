"""One call of a guarded pipeline: what its network is asked at each iteration, and what it answers.

The network gets the pipeline's rows (uncond, prompt) and behind them the methods' own; the pipeline gets back
u', p' for which its own guidance, u' + s (p' - u'), is the guided prediction of `diffusion/denoise.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from safelight.core.errors import Refused
from safelight.core.method import Method, hooks
from safelight.core.nouns import Cond, Moment, Prompt
from safelight.diffusion.denoise import active_rows, guide
from safelight.diffusion.guard_families import Family
from safelight.diffusion.rows import condition, dropped, embedded, reports, rows
from safelight.diffusion.solvers import levels


class Run:
    """The pictures of one call, the rows they need, and where in the solver's iterations the pipeline is.

    texts: `prompt` and `negative_prompt` for the pipeline, one a prompt. dropped: the end of each prompt that
    the text encoder does not see. prompts: one a picture.
    i: the next iteration; None before the first.
    """

    def __init__(
        self, family: Family, pipe: Any, prompts: Sequence[Prompt], n: int, methods: Sequence[Method]
    ):
        self.family, self.pipe, self.methods = family, pipe, methods
        self.backbone = family.backbone(pipe)
        self.encoder = pipe.encode_prompt
        asked = [rows(prompt, methods) for prompt in prompts]
        if len({tuple(named) for named in asked}) > 1:
            raise Refused(["the methods want other rows for some prompts: give those in a call of their own"])
        self.texts = {
            "prompt": [prompt.text for prompt in prompts],
            "negative_prompt": [
                named["uncond"] if isinstance(named["uncond"], str) else "" for named in asked
            ],
        }
        self.dropped = dropped(self.backbone, prompts, asked)
        self.prompts = [prompt for prompt in prompts for _ in range(n)]
        self.asked = [named for named in asked for _ in range(n)]
        self.states = [method.start() for method in methods]
        self.guides = any({"rows", "term"} & set(hooks(type(method))) for method in methods)
        self.conds: dict[str, Cond] = {}
        self.i: int | None = None

    def reports(self) -> list[dict[str, Any]]:
        """What the methods did, by picture."""
        return reports(self.methods, self.states, len(self.prompts))

    @property
    def whole(self) -> bool:
        """Whether every iteration has been made: a pipeline that a callback stops decodes what there is."""
        return self.i is not None and self.i == self.n

    @torch.no_grad()
    def encode(self) -> None:
        """Conditions the methods' own rows."""
        for row in tuple(self.asked[0])[2:]:
            self.conds[row] = self._condition(row).expand(len(self.prompts))

    def encode_prompt(self, *args: Any, **kwargs: Any) -> tuple:
        """In the place of the pipeline's own: the methods' `embed` comes after it, and a ControlNet reads
        what they made of the text."""

        def change(row: str, cond: Cond) -> Cond:
            texts = [named[row] for named in self.asked]
            plain = [text for text in texts if isinstance(text, str)]
            if len(plain) < len(texts):
                return self._condition(row)
            return embedded(self.family.emptied(self.pipe, cond, plain), row, self.prompts, self.methods)

        return self.family.encoded(self.pipe, self.encoder(*args, **kwargs), change)

    def ask(self, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """The network's arguments at this iteration: the pipeline's, with the methods' rows behind."""
        x, t = args
        i = self._begin(kwargs) if self.i is None else self.i
        if any(now is not then for now, then in zip(self.family.texts(kwargs), self.read, strict=True)):
            raise Refused(["the text was exchanged during the run, and nobody has checked the other one"])
        if i == self.n or not bool(t == self.timesteps[i]):
            raise Refused(["the pipeline left its scheduler's time steps: its steps cannot be followed"])
        self.i = i + 1
        self.count = len(x)
        if not self.guides:
            return args, kwargs
        b = len(self.prompts)
        if len(x) != 2 * b:
            raise Refused([f"guidance needs {2 * b} rows for {b} pictures; the network was given {len(x)}"])
        self.names = active_rows(self.asked[0], self.methods, i, self.n)
        own = [self.family.arguments(self.conds[name]) for name in self.names[2:]]
        latent = x[b:, : self.pipe.vae.config.latent_channels]  # inpainting networks get mask and picture too
        scale = self.pipe.guidance_scale
        self.here = Moment(
            i, self.n, t, _precise(latent), *self.levels[i], self.backbone.kind, scale, self.backbone.decode
        )
        args = _widened(args, b, [None] * len(own))
        self.count = len(args[0])
        return args, _widened(kwargs, b, own)

    def answer(self, out: tuple) -> tuple:
        """u', p' in the place of the predictions of all rows.

        Both are the guided prediction: then the pipeline's guidance adds exact zeros. To rescale its result
        to the spread of p (`guidance_rescale`) a pipeline needs p itself; then u' = (s p - guided) / (s - 1).
        """
        if len(out[0]) != self.count:  # diffusers would share one prediction out among several pictures
            raise Refused([f"the network was asked about {self.count} rows and answered {len(out[0])}"])
        if not self.guides:
            return out
        predictions = _precise(out[0]).chunk(len(self.names))
        raw = dict(zip(self.names, predictions, strict=True))
        u = p = guide(self.here, raw, self.methods, self.states)
        if getattr(self.pipe, "guidance_rescale", 0.0) > 0:
            s, p = self.here.scale, raw["prompt"]
            u = (s * p - u) / (s - 1)
        return torch.cat([u, p]).to(out[0].dtype), *out[1:]

    def _begin(self, kwargs: Mapping[str, Any]) -> int:
        """The first iteration. Only now are the time steps set, and no step is made yet.

        Raises:
            Refused: a method could never act in them, or there is no guidance to act in.
        """
        self.read = self.family.texts(kwargs)
        self.timesteps, self.levels = self.pipe.scheduler.timesteps, levels(self.pipe.scheduler)
        self.n = len(self.timesteps)
        scale = self.pipe.guidance_scale
        problems = [f"'{m.name}': {why}" for m in self.methods for why in m.check(self.n, scale)]
        if self.guides and not self.pipe.do_classifier_free_guidance:
            problems.append(
                f"guidance_scale = {scale}: without guidance the network gets no unconditional row, and "
                "the methods' terms need one; take a guidance_scale above 1"
            )
        elif any(prompt.negative for prompt in self.prompts) and not self.pipe.do_classifier_free_guidance:
            problems.append(
                f"guidance_scale = {scale}: a negative prompt acts only with guidance; take a guidance_scale "
                "above 1, or leave it out"
            )
        if problems:
            raise Refused(problems)
        return self.n - self.pipe.num_timesteps  # image to image leaves out the first ones

    def _condition(self, row: str) -> Cond:
        texts = [named[row] for named in self.asked]
        return condition(self.backbone, row, texts, self.prompts, self.methods)


def _precise(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Half precision as float32: terms multiply small differences by large numbers."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _widened(value: Any, b: int, own: Sequence[Any]) -> Any:
    """An argument for `len(own)` more rows of b pictures: the rows' own where they have one, else the
    prompt's, whatever it is: latent, mask, a ControlNet's residuals, the picture of an adapter."""
    if isinstance(value, Mapping):
        return {key: _widened(part, b, [row and row.get(key) for row in own]) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_widened(part, b, [None] * len(own)) for part in value)
    if not isinstance(value, Tensor) or not value.ndim or len(value) != 2 * b:
        return value
    parts = [value[b:] if row is None else row.to(value) for row in own]
    if any(part.shape != value[b:].shape for part in parts):
        raise Refused(["a method's row is longer or shorter than the pipeline's text: they go in one pass"])
    return torch.cat([value, *parts])
