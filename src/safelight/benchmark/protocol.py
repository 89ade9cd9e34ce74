"""What decides a picture's bytes, and what was installed when it was made."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

import torch

from safelight.core.method import Method
from safelight.core.records import Run, canonical, digest
from safelight.diffusion.generator import Generator
from safelight.diffusion.sampling import Sampling
from safelight.policies import Bound
from safelight.tasks import Task

Config = Mapping[str, Any]


def sampling_of(task: Task, generator: Generator, n: int) -> Sampling:
    """The model's sampling with the task's settings. Blocks are no larger than the whole task."""
    given = {"guidance": task.guidance, "steps": task.steps, "height": task.size, "width": task.size}
    return replace(
        generator.sampling,
        **{name: value for name, value in given.items() if value is not None},
        block=min(generator.sampling.block, n),
    )


def configuration(task: Task, generator: Generator, bound: Bound, sampling: Sampling) -> Config:
    """Everything that makes a run this one and no other. n is not in it: a longer run goes on from a shorter
    one.

    Judges and metrics are not in it either: they look at pictures and leave them as they are. Of published
    prompts the file counts, by its hash.
    """
    return {
        "command": "bench",
        "task": task.id,
        "model": {"name": generator.name, "hash": generator.content_hash},
        "policy": {
            "name": bound.policy.name,
            "methods": [_plain(method) for method in bound.methods],
            "checks": bound.policy.checks,
        },
        "protocol": {
            **asdict(sampling),
            **generator.backbone.inputs,
            "device": generator.backbone.device.type,
            "threads": torch.get_num_threads(),
        },
    } | ({"prompts": task.source} if task.source else {})


def _plain(method: Method) -> Config:
    """A method's settings. Files count by what is in them, not by where they lie."""
    return {"use": method.name} | asdict(method) | dict(method.contents)  # pyright: ignore[reportArgumentType]


def run_id(config: Config) -> str:
    """The run of a configuration, 32 hex digits."""
    return digest(config)[:32]


def run_of(config: Config, measured: Mapping[str, str]) -> Run:
    """The record of a run. `measured`: names and hashes of what judges it, and what else is to be known."""
    packages = {name: version(name) for name in ("safelight", "torch", "diffusers", "transformers")}
    protocol = digest([config["model"]["hash"], config["protocol"]])
    return Run(run_id(config), canonical(config), protocol, _git_rev(), packages | dict(measured), "running")


def _git_rev() -> str:
    """The commit of the folder that the benchmark is started in; empty outside a repository."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
