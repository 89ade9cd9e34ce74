"""safelight generate"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from safelight.cli.terminal import DONE, FAILED, INTERRUPTED, Flag, Number, command, emit, progress, say, show

app = command("safelight generate")


@app.default
def generate(
    *prompts: str,
    model: str = "miniature",
    policy: str = "general",
    n: Number = 1,
    seed: int = 0,
    steps: int | None = None,
    guidance: float | None = None,
    negative: str = "",
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
        out: Folder for pictures and records.
        json: Print one JSON document.
    """
    from safelight.core.nouns import Prompt
    from safelight.diffusion.load import load
    from safelight.guarded import Guarded, stream
    from safelight.guarded.release import WITHHELD
    from safelight.policies import Policy
    from safelight.store import Store

    chosen = Policy.load(policy)
    asked = [Prompt(prompt, negative) for prompt in prompts]
    given: dict[str, Any] = {"steps": steps, "guidance": guidance}
    with Store.open(out / "runs.db") as store, progress() as move:
        generator = load(model)
        sampling = replace(
            generator.sampling, **{key: value for key, value in given.items() if value is not None}
        )
        finished: list[tuple[Guarded, Path | None]] = []
        total, drawn = len(asked) * n, 0.0

        def on_step(step: Any) -> None:
            nonlocal drawn
            drawn = min(drawn + len(step.x) / sampling.steps, total)
            move("pictures", drawn, total)

        stopped = False
        try:
            for picture in stream(
                asked, generator, chosen, n, seed, sampling=sampling, store=store, on_step=on_step
            ):
                finished.append((picture, picture.save(out)))
                drawn = len(finished)
                move("pictures", drawn, total)
        except KeyboardInterrupt:
            stopped = True
    if json:
        emit({"policy": chosen.name, "pictures": [p.as_dict() | {"file": path} for p, path in finished]})
    else:
        show(["prompt", "outcome", "picture", "why"], [_line(picture, path) for picture, path in finished])
    if stopped:
        say(f"stopped: {len(finished)} of {total} pictures are finished and stay in {out}")
        return INTERRUPTED
    withheld = sum(picture.outcome in WITHHELD for picture, _ in finished)
    if withheld:
        say(f"{withheld} of {total} pictures were withheld by the policy '{chosen.name}'")
    return FAILED if withheld else DONE


def _line(picture: Any, path: Path | None) -> list[object]:
    """The reasons of the decisions that led to the outcome."""
    why = dict.fromkeys(d.reason for d in picture.decisions if d.outcome is picture.outcome and d.judge)
    why = why or dict.fromkeys(d.reason for d in picture.decisions if d.outcome is picture.outcome)
    return [f"{picture.prompt.text:.60}", picture.outcome, path or "-", "; ".join(why)]
