"""Solvers of the reverse process: any diffusers scheduler behind one port, and DDIM with its density."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import diffusers
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from safelight.core.errors import BadInput, UnknownName
from safelight.core.nouns import Kind

SOLVERS: dict[str, Any] = {
    "ddim": diffusers.DDIMScheduler,
    "ddpm": diffusers.DDPMScheduler,
    "dpm++": diffusers.DPMSolverMultistepScheduler,
    "euler": diffusers.EulerDiscreteScheduler,
    "euler-a": diffusers.EulerAncestralDiscreteScheduler,
    "flow-match-euler": diffusers.FlowMatchEulerDiscreteScheduler,
    "heun": diffusers.HeunDiscreteScheduler,
    "pndm": diffusers.PNDMScheduler,
    "unipc": diffusers.UniPCMultistepScheduler,
}
MEMORYLESS = tuple(SOLVERS[name] for name in ("ddim", "ddpm", "euler", "euler-a", "flow-match-euler"))
EMPTY: Mapping[str, Any] = MappingProxyType({})
KINDS: dict[str, Kind] = {"epsilon": "epsilon", "v_prediction": "v", "flow_prediction": "flow"}


def solver(
    name: str, n: int, like: Any, device: torch.device | str = "cpu", schedule: Mapping[str, Any] = EMPTY
) -> Diffusers:
    """A fresh solver with the noise schedule of the scheduler `like`.

    Args:
        name: one of `SOLVERS`, or what `name_of(like)` says: then `like`'s own settings hold.
        n: steps asked for, 1 to the number of training steps. PNDM makes one more, Heun almost twice as many.
        schedule: what `Backbone.schedule` says of the run.
    """
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= like.config.num_train_timesteps:
        raise BadInput(f"steps must be a whole number from 1 to {like.config.num_train_timesteps}, got {n!r}")
    if name == name_of(like):
        return Diffusers(type(like).from_config(like.config), n, device, schedule)
    if name not in SOLVERS:
        raise UnknownName("solver", name, {*SOLVERS, name_of(like)})
    scheduler = SOLVERS[name].from_config(like.config)
    if "flow" in (kind_of(scheduler), kind_of(like)):
        raise BadInput(
            f"the solver '{name}' does not fit a network that predicts {kind_of(like)}; "
            f"use the model's own, '{name_of(like)}'"
        )
    if (
        "clip_sample" in scheduler.config
    ):  # clipping to [-1, 1] is for pixels; a config without the word means it
        scheduler.register_to_config(clip_sample=False)
    return Diffusers(scheduler, n, device, schedule)


def name_of(scheduler: Any) -> str:
    """The name of a scheduler: ours, or its class's where we have none."""
    ours = {cls.__name__: name for name, cls in SOLVERS.items()}
    return ours.get(type(scheduler).__name__, type(scheduler).__name__)


def kind_of(scheduler: Any) -> Kind:
    """What a network trained for this scheduler predicts."""
    predicts = "flow_prediction" if _flows(scheduler) else scheduler.config.prediction_type
    if predicts not in KINDS:
        raise BadInput(f"the scheduler says the network predicts '{predicts}'; known: {', '.join(KINDS)}")
    return KINDS[predicts]


def dynamic_shift(scheduler: Any, tokens: int) -> dict[str, float]:
    """mu of a flow scheduler that shifts its noise levels by the picture's size: linear in its number of
    tokens, as the pipelines of Stable Diffusion 3 and Flux have it; nothing for other schedulers."""
    config = scheduler.config
    if not config.get("use_dynamic_shifting", False):
        return {}
    low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    base, most = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    slope = (most - base) / (high - low)
    return {"mu": tokens * slope + (base - slope * low)}


def check(scheduler: Any) -> None:
    """Raises BadInput unless a scheduler's input is alpha * x0 + sigma * eps with levels that we can read."""
    knows = hasattr(scheduler, "sigmas") or hasattr(scheduler, "alphas_cumprod")
    if not knows or "sigma_data" in scheduler.config:  # EDM scales its input in a way of its own
        name = type(scheduler).__name__
        raise BadInput(f"{name} is no alpha-sigma process; use one of {', '.join(SOLVERS)}")


def draw(
    rngs: Sequence[Generator], shape: tuple[int, ...], device: torch.device | str
) -> Float[Tensor, "b c h w"]:
    """Standard normal noise of `shape` (c, h, w), each sample's from its own generator."""
    return torch.cat([torch.randn((1, *shape), generator=rng, device=rng.device).to(device) for rng in rngs])


class Diffusers:
    """Any diffusers scheduler of an alpha-sigma process as a `Solver`. It has memory: one run each."""

    def __init__(
        self,
        scheduler: Any,
        n: int,
        device: torch.device | str = "cpu",
        schedule: Mapping[str, Any] = EMPTY,
    ):
        check(scheduler)
        if unknown := schedule.keys() - inspect.signature(scheduler.set_timesteps).parameters.keys():
            raise BadInput(
                f"{type(scheduler).__name__} cannot take this model's {' and '.join(sorted(unknown))}; "
                "give the model FlowMatchEulerDiscreteScheduler"
            )
        scheduler.set_timesteps(n, device=device, **schedule)
        self.scheduler = scheduler
        self.timesteps: Tensor = scheduler.timesteps
        self.init_scale = float(scheduler.init_noise_sigma) if hasattr(scheduler, "init_noise_sigma") else 1.0
        self.memory = not isinstance(scheduler, MEMORYLESS)
        self._levels = levels(scheduler)
        self._noisy = "generator" in inspect.signature(scheduler.step).parameters

    def scale_input(self, x: Float[Tensor, "b c h w"], i: int) -> Float[Tensor, "b c h w"]:
        if not hasattr(self.scheduler, "scale_model_input"):
            return x
        self._begin(i)
        return self.scheduler.scale_model_input(x, self.timesteps[i])

    def alpha_sigma(self, i: int) -> tuple[float, float]:
        return self._levels[i]

    def add_noise(self, clean: Tensor, noise: Tensor, i: int) -> Tensor:
        if i == len(self.timesteps):
            return clean
        self._begin(i)
        t = self.timesteps[i].expand(len(clean))
        if hasattr(self.scheduler, "scale_noise"):  # what flow matching schedulers call it
            return self.scheduler.scale_noise(clean, t, noise)
        return self.scheduler.add_noise(clean, noise, t)

    def step(
        self,
        guided: Float[Tensor, "b c h w"],
        i: int,
        x: Float[Tensor, "b c h w"],
        rngs: Sequence[Generator] | None,
    ) -> tuple[Tensor, Tensor | None, float | None]:
        noise = {"generator": list(rngs) if rngs else None} if self._noisy else {}
        return self.scheduler.step(guided, self.timesteps[i], x, return_dict=False, **noise)[0], None, None

    def _begin(self, i: int) -> None:
        """Tells schedulers that count their own steps where the run starts; looking `t` up is ambiguous."""
        if getattr(self.scheduler, "step_index", i) is None:
            self.scheduler.set_begin_index(i)


class DDIM:
    """DDIM with noise in closed form (Song et al. 2021, arXiv 2010.02502, eq. 12, 16): a `Solver` that knows
    the density of each step, for reinforcement learning. eta in (0, 1]; 1 is DDPM's variance."""

    init_scale = 1.0
    memory = False

    def __init__(self, like: Any, n: int, eta: float = 1.0, device: torch.device | str = "cpu"):
        if not 0 < eta <= 1:
            raise BadInput(f"eta must be in (0, 1], got {eta!r}; for no noise use the solver 'ddim'")
        self._like = solver("ddim", n, like, device)
        self.timesteps = self._like.timesteps
        self.kind, self.eta = kind_of(like), eta
        ddim = self._like.scheduler
        abar = [float(ddim.alphas_cumprod[int(t)]) for t in self.timesteps]
        stride = ddim.config.num_train_timesteps // n
        last = int(self.timesteps[-1]) - stride
        self.abar = [*abar, float(ddim.alphas_cumprod[last] if last >= 0 else ddim.final_alpha_cumprod)]

    def scale_input(self, x: Float[Tensor, "b c h w"], i: int) -> Float[Tensor, "b c h w"]:
        return x

    def alpha_sigma(self, i: int) -> tuple[float, float]:
        return self.abar[i] ** 0.5, (1 - self.abar[i]) ** 0.5

    def add_noise(self, clean: Tensor, noise: Tensor, i: int) -> Tensor:
        return self._like.add_noise(clean, noise, i)

    def moments(
        self, guided: Float[Tensor, "b c h w"], i: int, x: Float[Tensor, "b c h w"]
    ) -> tuple[Tensor, float]:
        """Mean and standard deviation of p(next | x)."""
        alpha, sigma = self.alpha_sigma(i)
        eps = guided if self.kind == "epsilon" else alpha * guided + sigma * x
        x0 = (x - sigma * eps) / alpha
        a, b = self.abar[i], self.abar[i + 1]
        std = self.eta * ((1 - b) / (1 - a) * (1 - a / b)) ** 0.5  # eq. 16
        return b**0.5 * x0 + (1 - b - std**2) ** 0.5 * eps, std  # eq. 12

    def step(
        self,
        guided: Float[Tensor, "b c h w"],
        i: int,
        x: Float[Tensor, "b c h w"],
        rngs: Sequence[Generator] | None,
    ) -> tuple[Tensor, Tensor | None, float | None]:
        if not rngs:
            raise BadInput("this solver draws noise: give one generator a sample (rngs=...)")
        mean, std = self.moments(guided, i, x)
        return mean + std * draw(rngs, tuple(x.shape[1:]), x.device), mean, std


def levels(scheduler: Any) -> list[tuple[float, float]]:
    """(alpha, sigma) of every iteration of a scheduler whose time steps are set."""
    if not hasattr(scheduler, "sigmas"):
        abar = scheduler.alphas_cumprod.cpu()[scheduler.timesteps.cpu().long()].tolist()
        return [(a**0.5, (1 - a) ** 0.5) for a in abar]
    sigmas = scheduler.sigmas.tolist()[: len(scheduler.timesteps)]
    if _flows(scheduler):
        return [(1 - sigma, sigma) for sigma in sigmas]
    if hasattr(scheduler, "sigmas_interpol"):  # KDPM2's midpoints
        sigmas[1::2] = scheduler.sigmas_interpol.tolist()[1 : len(sigmas) : 2]
    return [
        ((1 + sigma**2) ** -0.5, sigma * (1 + sigma**2) ** -0.5) for sigma in sigmas
    ]  # they keep sigma / alpha


def _flows(scheduler: Any) -> bool:
    return "FlowMatch" in type(scheduler).__name__ or scheduler.config.get("use_flow_sigmas", False)
