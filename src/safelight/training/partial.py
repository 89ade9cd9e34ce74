"""Partly denoised latents with their time steps, as SDD and ESD train on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from safelight.core.errors import Refused
from safelight.core.nouns import Cond
from safelight.core.ports import Backbone
from safelight.core.valid import number, whole
from safelight.diffusion.solvers import Diffusers, solver
from safelight.training.fit import index
from safelight.training.pairing import pairs
from safelight.training.rollouts import rollout, stopped


class Partial:
    """Guided sampling from noise, stopped at random, or trained on all the way.

    guidance: s_g > 1; at 1 the latents would not be of the text, unless the network is fed a guidance of its
    own (Flux.1 dev), which imitates that. solver_name: of `diffusion.solvers`. pairing: of
    `pairing.PAIRINGS`. batch_size: latents of a step, each with its own number of steps.

    Attributes:
        timesteps: the solver's. memory: whether the solver has one, see `core.ports.Solver`.
    """

    def __init__(
        self,
        model: Backbone,
        guidance: float,
        solver_name: str,
        solver_steps: int,
        pairing: str,
        batch_size: int,
    ):
        number("guidance", guidance, 1, above="embedded_guidance" not in model.inputs)
        whole("solver_steps", solver_steps, 1)
        whole("batch_size", batch_size, 1)
        if model.kind == "flow" and pairing not in ("exact", "trajectory"):
            why = f"the pairing '{pairing}' goes by DDIM's equal strides, which '{model.family}' has not"
            raise Refused([f"{why}: take 'exact', each latent with its own time step (ESD: recipe '2025')"])
        self.model, self.guidance, self.batch_size = model, guidance, batch_size
        self._of = solver_name, solver_steps
        run = self._solver()
        self.timesteps, self.memory = run.timesteps, run.memory
        T = model.scheduler.config.num_train_timesteps
        self.pairs = pairs(pairing, solver_steps, T, self.timesteps.tolist())

    @torch.no_grad()
    def draw(
        self, text: Cond, null: Cond, rngs: Sequence[Generator]
    ) -> tuple[Float[Tensor, "b c h w"], Tensor]:
        """Latents on the way to pictures of `text`, and time steps [b]: `batch_size` for each generator,
        which draws their noise, then each one's pair, then each one's time step."""
        run = self._solver()
        noise: list[Tensor] = []
        after: list[int] = []
        times: list[float] = []
        for rng in rngs:
            noise.append(self._noise(self.batch_size, rng))
            picked = [self.pairs[index(len(self.pairs), rng)] for _ in range(self.batch_size)]
            after += [pair.steps for pair in picked]
            times += [pair.times[index(len(pair.times), rng)] for pair in picked]
        own = [rng for rng in rngs for _ in range(self.batch_size)]
        x = torch.cat(noise) * run.init_scale
        x = stopped(
            self.model, run, self._rows(text, null), x, self.guidance, after, own, self.pairs[0].start
        )
        return x, torch.tensor(times, device=self.model.device)

    def all_steps(
        self, text: Cond, null: Cond, n: int, rng: Generator
    ) -> Iterator[tuple[Float[Tensor, "n c h w"], Tensor, Mapping[str, Tensor]]]:
        """n trajectories of `text` step by step: the network's input, its time step [n], and what was
        predicted there for "uncond" and "prompt"."""
        run = self._solver()
        noise = self._noise(n, rng) * run.init_scale
        for x, step in rollout(self.model, run, self._rows(text, null), noise, self.guidance, [rng] * n):
            yield x, step.t.expand(n), step.raw

    def _rows(self, text: Cond, null: Cond) -> Mapping[str, Cond]:
        return {"prompt": text} if self.guidance == 1 else {"uncond": null, "prompt": text}

    def _noise(self, n: int, rng: Generator) -> Float[Tensor, "n c h w"]:
        model = self.model
        return torch.randn((n, *model.latent_shape(*model.size)), generator=rng).to(model.device, model.dtype)

    def _solver(self) -> Diffusers:
        model, (name, steps) = self.model, self._of
        schedule = model.schedule(steps, *model.size)
        return solver(name, steps, model.scheduler, model.device, schedule)
