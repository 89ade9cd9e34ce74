"""One run shared among Ray's workers, one for each GPU or, where there is none, for each CPU core.

Each loads the model and makes every m-th block. The workers are those of the cluster that RAY_ADDRESS names,
of however many machines, or else of this machine alone.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from safelight.benchmark.runner import Grid
from safelight.benchmark.table import Table
from safelight.core.errors import BadInput
from safelight.diffusion.load import load


def bench(
    task: str | Path,
    model: str | Path,
    policies: Sequence[str | Path],
    out: str | Path,
    n: int | None = None,
    *,
    prompts: str | Path | None = None,
    dtype: str | None = None,
) -> Table:
    """What `safelight.benchmark.bench` gives, to the same bytes, from as many workers as Ray has.

    `out` and every file that is named must lie where all workers reach them.

    Raises BadInput without the extra `ray` or the cluster that RAY_ADDRESS names, and whatever
    `safelight.benchmark.bench` raises.
    """
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise BadInput(
            f"the engine ray needs the package ray ({error}): pip install 'safelight[ray]'"
        ) from error
    grid = Grid.of(task, load(model, dtype=dtype), policies, n, prompts)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a benchmark tells nobody that it runs
    try:
        ray.init(include_dashboard=False, log_to_driver=False)
    except ConnectionError as error:
        raise BadInput(
            f"there is no Ray cluster at RAY_ADDRESS={os.environ.get('RAY_ADDRESS')} ({error}): start one "
            "with ray start --head, or unset it to share the run on this machine alone"
        ) from error
    try:
        there = ray.cluster_resources()
        kind = "GPU" if "GPU" in there else "CPU"
        m = int(there[kind])
        worker = ray.remote(work).options(**{f"num_{kind.lower()}s": 1})
        place, threads = os.getcwd(), torch.get_num_threads()
        given = task, model, dtype, policies, grid.n, prompts, out
        for part in [worker.remote(place, threads, given, f"{i}/{m}") for i in range(1, m + 1)]:
            try:
                ray.get(part)
            except ray.exceptions.RayError as error:
                warnings.warn(f"a worker broke, and its blocks are made here: {error}", stacklevel=2)
    finally:
        ray.shutdown()
    return grid.run(out)


def work(place: str, threads: int, given: tuple[Any, ...], shard: str) -> None:
    """One shard, in the folder and with the threads of the process that shares it out: names of
    files hang on the one and bytes on the other.
    """
    os.chdir(place)
    torch.set_num_threads(threads)
    task, model, dtype, policies, n, prompts, out = given
    Grid.of(task, load(model, dtype=dtype), policies, n, prompts).run(out, shard)
