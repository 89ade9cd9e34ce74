"""safelight train"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from safelight.cli.terminal import INTERRUPTED, Flag, Whole, command, emit, progress, say

app = command("safelight train")
Several = Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)]


@app.default
def train(
    method: str,
    *,
    model: str = "miniature",
    settings: Annotated[Several, Parameter(name="--set")] = (),
    samples: Several = (),
    every: Whole | None = None,
    out: Path = Path("trained.safetensors"),
    json: Flag = False,
) -> int | None:
    """Take a concept or a bias out of a model, or train a guard: one small file, and a page.

    A training that was stopped goes on where it was with the same command: its checkpoints lie beside OUT, in
    the folder with the ending .run. torchrun --nproc-per-node 2 -m safelight train ... shares the work out
    among processes, each with a GPU of its own or on the CPU.

    Args:
        method: sdd, sdd-anchored, esd, ca, uce, uce-debias or guardt2i.
        model: miniature, a folder in diffusers layout, or a hub id owner/name.
        settings: A setting of the method or of its plan, key=value; give it again for more. Several values
            of one are parted by ";". All that is not set is as published. lora=8 trains a LoRA of that rank,
            precision=bfloat16 takes forward passes in bfloat16.
        samples: A prompt to draw before, on the way and after; give it again for more.
        every: Steps between the pictures of samples; a quarter of all by default.
        out: The file, for the method weights (or uce-map, guardt2i) and for safelight export.
        json: Print one JSON document.
    """
    from dataclasses import asdict

    from safelight.trained import train as run
    from safelight.trained.recipes import parse
    from safelight.trained.session import quiet
    from safelight.training.processes import rank

    given, speaks = parse(method, settings), rank() == 0
    with progress() if speaks else nullcontext(quiet) as move:
        try:
            made = run(method, model, out, samples=samples, every=every, progress=move, **given)
        except KeyboardInterrupt:
            kept = out.with_suffix(".run")
            say(f"stopped: the same command goes on from the last checkpoint in {kept}, a minute old at most")
            return INTERRUPTED
    if not speaks:
        return None
    if json:
        return emit(asdict(made))
    say(f"{made.path}: {made.tensors} tensors, sha256 {made.content[:16]}; see {made.page}")
