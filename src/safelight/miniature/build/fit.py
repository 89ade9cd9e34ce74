"""The training loop of all four networks: step, schedule, moving average, log, checkpoint, resume.

The randomness of step k is a generator seeded with (plan.seed, k) and nothing else, so a checkpoint needs no
random state and a resumed run makes the same bits as an uninterrupted one (same machine, same threads).
"""

from __future__ import annotations

import copy
import json
import math
import platform
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from safelight.core.errors import SafelightError
from safelight.miniature.build.optim import optimisers
from safelight.miniature.build.progress import Progress
from safelight.miniature.build.recipe import Plan
from safelight.training import checkpoint
from safelight.training.fit import draw
from safelight.training.precision import native_bfloat16

Loss = Callable[[int, torch.Generator], Mapping[str, Tensor]]  # "loss" is minimised, the others are logged

Network = TypeVar("Network", bound=nn.Module)

CPU = torch.device("cpu")
EVERY_SECONDS = 120  # between checkpoints
LOG_EVERY = 50  # steps


def autocast() -> torch.autocast:
    """bfloat16 where the processor multiplies it natively, else float32 throughout."""
    return torch.autocast("cpu", torch.bfloat16, enabled=native_bfloat16(CPU))


def rate(step: int, plan: Plan) -> float:
    """Factor on the learning rates at `step` (from 0), in (0, 1.01]."""
    share = step / plan.steps
    fall = max(0.0, (share - plan.hold) / (1 - plan.hold))
    return min(1.0, (step + 1) / plan.warmup) * (0.5 * (1 + math.cos(math.pi * fall)) + 0.01)


class Training(Generic[Network]):
    """Weights, their moving average and the optimisers: all that a checkpoint holds."""

    def __init__(self, net: Network, plan: Plan):
        self.net, self.plan = net, plan
        self.ema = copy.deepcopy(net).eval().requires_grad_(False)
        self.optimisers = optimisers(net, plan)
        self.peaks = [o.param_groups[0]["lr"] for o in self.optimisers]
        self.step, self.seconds = 0, 0.0

    def advance(self, loss: Loss) -> dict[str, float]:
        """One optimiser step; returns the logged terms."""
        factor = rate(self.step, self.plan)
        for optimiser, peak in zip(self.optimisers, self.peaks, strict=True):
            optimiser.param_groups[0]["lr"] = peak * factor
        terms = loss(self.step, draw(self.plan.seed, self.step))
        self.net.zero_grad(set_to_none=True)
        terms["loss"].backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        self.average()
        return {name: float(value.detach()) for name, value in terms.items()}

    @torch.no_grad()
    def average(self) -> None:
        """Exponential moving average with a short memory at first, so that early weights do not linger."""
        decay = min(self.plan.ema, self.step / (self.step + 20))
        for mean, now in zip(self.ema.state_dict().values(), self.net.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)

    def save(self, path: Path) -> None:
        tensors = checkpoint.below("net", self.net.state_dict())
        tensors |= checkpoint.below("ema", self.ema.state_dict())
        for i, optimiser in enumerate(self.optimisers):
            for index, state in optimiser.state_dict()["state"].items():
                tensors |= checkpoint.below(f"optimiser/{i}/{index}", state)
        checkpoint.write(path, tensors, {"step": self.step, "seconds": self.seconds})

    def load(self, path: Path) -> None:
        tensors, facts = checkpoint.read(path)
        self.step, self.seconds = facts["step"], facts["seconds"]
        self.net.load_state_dict(checkpoint.under("net", tensors))
        self.ema.load_state_dict(checkpoint.under("ema", tensors))
        for i, optimiser in enumerate(self.optimisers):
            states: dict[int, dict[str, Tensor]] = {}
            for key, value in checkpoint.under(f"optimiser/{i}", tensors).items():
                index, name = key.split("/", 1)
                states.setdefault(int(index), {})[name] = value
            optimiser.load_state_dict(optimiser.state_dict() | {"state": states})


def fit(name: str, folder: Path, net: Network, loss: Loss, plan: Plan, progress: Progress) -> Network:
    """Train `net` by `plan` and return its moving average; goes on from `folder/checkpoint.safetensors`."""
    run, path = Training(net, plan), folder / "checkpoint.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    if path.exists():
        run.load(path)
    before, started, saved = run.seconds, time.monotonic(), time.monotonic()
    sums: dict[str, float] = {}
    with open(folder / "log.jsonl", "a", encoding="utf-8", buffering=1) as log:
        log.write(json.dumps({"stage": name, "start": run.step, "steps": plan.steps} | conditions()) + "\n")
        while run.step < plan.steps:
            terms = run.advance(loss)
            if not math.isfinite(terms["loss"]):
                raise SafelightError(
                    f"{name}: the loss is not finite at step {run.step}. Its last checkpoint stays."
                )
            sums = {key: sums.get(key, 0.0) + value for key, value in terms.items()}
            run.seconds = before + time.monotonic() - started
            if run.step % LOG_EVERY == 0:
                means = {key: round(value / LOG_EVERY, 5) for key, value in sums.items()}
                row = {
                    "step": run.step,
                    "seconds": round(run.seconds, 1),
                    "rate": round(rate(run.step, plan), 4),
                }
                log.write(json.dumps(row | means) + "\n")
                progress(name, run.step, plan.steps, " ".join(f"{k} {v:.4f}" for k, v in means.items()))
                sums = {}
            if time.monotonic() - saved > EVERY_SECONDS or run.step == plan.steps:
                run.save(path)
                saved = time.monotonic()
    return run.ema


def conditions() -> dict[str, object]:
    """What a reader needs to judge a timing or to repeat it."""
    versions = {
        package: metadata.version(package) for package in ("torch", "diffusers", "transformers", "numpy")
    }
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "threads": torch.get_num_threads(),
        "processor": torch.cpu.get_capabilities()["cpu_name"],
        "bfloat16": native_bfloat16(CPU),
        "python": platform.python_version(),
        "versions": versions,
    }
