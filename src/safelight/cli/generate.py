"""safelight generate"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safelight.cli.terminal import (
    DONE,
    FAILED,
    INTERRUPTED,
    Flag,
    Number,
    Whole,
    command,
    emit,
    in_dtype,
    progress,
    say,
    show,
)

app = command("safelight generate")


@app.default
def generate(
    *prompts: str,
    model: str = "miniature",
    policy: str = "general",
    n: Number = 1,
    seed: Whole = 0,
    steps: Whole | None = None,
    guidance: float | None = None,
    negative: str = "",
    dtype: str | None = None,
    out: Path = Path("out"),
    json: Flag = False,
) -> int:
    """Draw pictures of prompts under a policy.

    Every released picture is written to OUT, and its decisions to OUT/runs.db, before you see it.
    Exit code 1 means that a picture was withheld.

    Args:
        prompts: What to draw; quote each prompt.
        model: miniature, a folder in diffusers layout, or a hub id owner/name.
        policy: general, school, research, a method such as sld-medium, or a TOML file.
        n: Pictures of each prompt.
        seed: Decides the noise, whatever the model and the policy.
        steps: Denoising steps; the model's own by default.
        guidance: Classifier-free guidance scale; the model's own by default.
        negative: What the pictures should not show.
        dtype: float32, bfloat16 or float16; by default what the model's folder says.
        out: Folder for pictures and records.
        json: Print one JSON document.
    """
    from safelight.core.nouns import WITHHELD, Prompt
    from safelight.guarded import Guarded, prepare
    from safelight.store import Store

    finished: list[tuple[Guarded, Path | None]] = []
    stopped = False
    with progress() as move:
        request = prepare(
            [Prompt(prompt, negative) for prompt in prompts], in_dtype(model, dtype), policy, n, seed,
            steps=steps, guidance=guidance, progress=lambda done, total: move("pictures", done, total),
        )  # fmt: skip
        with Store.open(out / "runs.db") as store:
            try:
                for picture in request.pictures(store):
                    finished.append((picture, picture.save(out)))
            except KeyboardInterrupt:
                stopped = True
    if json:
        emit([picture.as_dict() | {"file": path} for picture, path in finished])
    else:
        show(["prompt", "outcome", "picture", "why"], [_line(picture, path) for picture, path in finished])
    if stopped:
        say(f"stopped: {len(finished)} of {len(prompts) * n} pictures are finished and stay in {out}")
        return INTERRUPTED
    withheld = sum(picture.outcome in WITHHELD for picture, _ in finished)
    if withheld:
        say(f"{withheld} of {len(finished)} pictures were withheld under the policy '{policy}'")
    return FAILED if withheld else DONE


def _line(picture: Any, path: Path | None) -> list[object]:
    """The reasons of the decisions that led to the outcome."""
    why = dict.fromkeys(d.reason for d in picture.decisions if d.outcome is picture.outcome and d.judge)
    why = why or dict.fromkeys(d.reason for d in picture.decisions if d.outcome is picture.outcome)
    text = picture.as_dict()["prompt"] or "(refused)"
    return [f"{text:.60}", picture.outcome, path or "-", "; ".join(why)]
