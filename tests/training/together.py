"""Trains tiny models in one process and in two, and says what came out: `together.py FOLDER`.

The libraries are imported once; every training is in forks of this process, which never trains itself. Writes
one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

import safelight
from safelight.diffusion import tiny
from safelight.diffusion.load import load
from safelight.store import artifacts
from safelight.trained import session

FAST: dict[str, Any] = {"concept": "rain", "steps": 3, "solver_steps": 4, "lr": 1e-2, "eps": 1e-2}
"""A large eps makes updates proportional to gradients: Adam's would make rounding of a small one large."""
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "esd": ("esd", {**FAST, "batch_size": 3}),  # not all shares are of one size
    "fewer rows than processes": ("sdd", {**FAST, "lora": 2, "pairing": "trajectory", "guidance": 3.0}),
    "ca": ("ca", {"concept": "oil", "anchors": ("a boat", "a town"), "steps": 3, "lr": 1e-2, "eps": 1e-2}),
}


def train(case: str, out: Path, stop: int = 0) -> dict[str, Any]:
    """A training with a checkpoint at each step, and the rows of its network; with `stop` it ends there."""

    def progress(what: str, done: int, total: int, note: str) -> None:
        if stop and done == stop:
            raise KeyboardInterrupt

    method, settings = CASES[case]
    model, rows = load(tiny.sd()), []
    model.backbone.net.register_forward_hook(lambda _, args, out: rows.append(len(args[0])))
    made = safelight.train(method, model, out, progress=progress, **settings)
    return {"content": made.content, "rows": sum(rows)}


def processes(case: str, out: Path, n: int, stop: int = 0) -> list[dict[str, Any]]:
    """What each of n processes says of the training that they make together."""
    out.parent.mkdir(exist_ok=True)
    meeting, pids = out.with_suffix(".meeting"), []
    for rank in range(n):
        if pid := os.fork():
            pids.append(pid)
            continue
        try:
            session.fit = partial(session.fit, every=0.0)
            if n > 1:
                dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=n)
            out.with_suffix(f".{rank}").write_text(json.dumps(train(case, out, stop)))
            os._exit(0)  # never back into the code of the process that was forked
        except KeyboardInterrupt:
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]  # waits for every one
    if any(codes):
        raise RuntimeError(f"a process of '{case}' failed")
    said = [out.with_suffix(f".{rank}") for rank in range(n)]
    meeting.unlink(missing_ok=True)
    return [json.loads(path.read_text()) for path in said if path.exists()]


def distance(case: str, one: Path, other: Path) -> float:
    """Between two results, as a share of what was learned."""
    model = load(tiny.sd()).backbone
    tensors, others = (artifacts.load(path).tensors for path in (one, other))
    held = {f"unet.{name}": value.detach() for name, value in model.net.named_parameters()}
    apart = sum(float((tensors[name] - others[name]).square().sum()) for name in tensors)
    moved = sum(float((value - held.get(name, 0)).square().sum()) for name, value in tensors.items()
                if not name.endswith("lora_A.weight"))  # fmt: skip
    return (apart / moved) ** 0.5


def main(root: Path) -> None:
    torch.set_num_threads(1)
    said = {}
    for number, case in enumerate(CASES):
        one, two = (root / f"{number}-{n}" / "made.safetensors" for n in (1, 2))
        alone, together = processes(case, one, 1), processes(case, two, 2)
        said[case] = {
            "alone": alone,
            "together": together,
            "distance": distance(case, one, two),
            "files": sorted(path.name for path in two.with_suffix(".run").iterdir()),
        }
    again = root / "again" / "made.safetensors"
    processes("esd", again, 1, stop=2)
    resumed = processes("esd", again, 2)
    said["resumed"] = {"together": resumed, "distance": distance("esd", root / "0-1" / again.name, again)}
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
