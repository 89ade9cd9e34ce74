"""Partly denoised latents with their time steps, as SDD and ESD train on them."""

from __future__ import annotations

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
    """Guided sampling from noise, stopped at random.

    guidance: s_g > 1; at 1 the latents would not be of the text, unless the network is fed a guidance of its
    own (Flux.1 dev), which imitates that. solver_name: of `diffusion.solvers`. pairing: of
    `pairing.PAIRINGS`. batch_size: latents at once, each with its own number of steps.
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
        if model.kind == "flow" and pairing != "exact":
            why = f"the pairing '{pairing}' goes by DDIM's equal strides, which '{model.family}' has not"
            raise Refused([f"{why}: take 'exact', each latent with its own time step (ESD: recipe '2025')"])
        self.model, self.guidance, self.batch_size = model, guidance, batch_size
        self._of = solver_name, solver_steps
        T = model.scheduler.config.num_train_timesteps
        self.pairs = pairs(pairing, solver_steps, T, self._solver().timesteps.tolist())

    def draw(self, text: Cond, null: Cond, rng: Generator) -> tuple[Float[Tensor, "b c h w"], Tensor]:
        """Latents on the way to pictures of `text`, and time steps [b]. Draws noise, then each sample's pair,
        then each sample's time step."""
        model, run = self.model, self._solver()
        shape = (self.batch_size, *model.latent_shape(*model.size))
        noise = torch.randn(shape, generator=rng).to(model.device, model.dtype) * run.init_scale
        picked = [self.pairs[index(len(self.pairs), rng)] for _ in range(self.batch_size)]
        t = torch.tensor([pair.times[index(len(pair.times), rng)] for pair in picked], device=model.device)
        rows, rngs = {"uncond": null, "prompt": text}, [rng] * self.batch_size
        if self.guidance == 1:
            del rows["uncond"]
        with torch.no_grad():
            path = rollout(model, run, rows, noise, self.guidance, rngs, self.pairs[0].start)
            return stopped(path, [pair.steps for pair in picked]), t

    def _solver(self) -> Diffusers:
        model, (name, steps) = self.model, self._of
        schedule = model.schedule(steps, *model.size)
        return solver(name, steps, model.scheduler, model.device, schedule)
