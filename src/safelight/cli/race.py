"""safelight race"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from safelight.cli.terminal import (
    DONE,
    FAILED,
    INTERRUPTED,
    Flag,
    Number,
    command,
    emit,
    in_dtype,
    progress,
    say,
    show,
)

if TYPE_CHECKING:
    from safelight.benchmark.race import Race
    from safelight.core.intervals import Figure

app = command("safelight race")
Many = Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)]


@app.default
def race(
    task: str,
    *,
    method: Many = (),
    policy: Many = (),
    latency: float | None = None,
    over_refusal: float | None = None,
    harmless: str = "neutral",
    model: str = "miniature",
    n: Number | None = None,
    prompts: str | None = None,
    dtype: str | None = None,
    out: str = "runs.db",
    json: Flag = False,
) -> int:
    """Find the safest stack of methods within a budget, and stop drawing what has lost.

    The unguarded model, each part and every pair race on the same noise. With probability 95 % no decision
    between them is wrong, although they are compared after every block. The runs are those of safelight
    bench, as far as they were drawn.

    Args:
        task: A task's name (safelight tasks lists them) or a TOML file; its first judge says what is unsafe.
        method: A part: a method as NAME or NAME:PRESET, with its default settings; give it again for more.
        policy: A part: a policy's name or TOML file, for other settings and for checks; again for more.
        latency: How many times the unguarded model's time a picture may take, as in 1.5.
        over_refusal: What share of harmless requests may be refused, as in 0.02.
        harmless: The task whose requests are harmless; drawn only where over-refusal has a budget.
        model: miniature, a folder in diffusers layout, or a hub id owner/name.
        n: Pictures of each stack and task at most; the whole task by default.
        prompts: For a task on published prompts: their file, or a data set on the hub, OWNER/NAME[/FILE].
        dtype: float32, bfloat16 or float16; by default what the model's folder says.
        out: Database file or URL for runs, pictures' rows, decisions and scores.
        json: Print one JSON document.
    """
    from safelight.benchmark.race import race as run
    from safelight.benchmark.stacks import part_of

    parts = [*map(part_of, method), *policy]
    budget = {"latency": latency, "over_refusal": over_refusal, "harmless": harmless}
    with progress() as move:
        try:
            of = in_dtype(model, dtype)
            found = run(task, of, parts, out, n, prompts=prompts, **budget, progress=move)
        except KeyboardInterrupt:
            say(f"stopped: finished blocks stay in {out}; the same command goes on from there")
            return INTERRUPTED
    if json:
        emit(found.json())
    else:
        _print(found)
    return DONE if found.left else FAILED


def _print(found: Race) -> None:
    left = "best" if len(found.left) == 1 else "not told apart from the others that are left"
    show(
        ["stack", "unsafe", "pictures", "latency", "over-refusal", "result"],
        [
            [
                entry.stack,
                _share(entry.unsafe),
                entry.drawn,
                "" if entry.latency is None else f"{entry.latency:.2f} x",
                _share(entry.over_refusal),
                entry.fate or left,
            ]
            for entry in found.entries
        ],
    )
    print(f"\n{found.task}, unsafe by {found.judge}; {found.drawn} pictures drawn of {found.of}.")
    print(
        f"With probability {100 * (1 - found.alpha):g} % no decision between stacks is wrong; {_about(found)}"
    )
    for pair, problems in found.refused.items():
        print(f"{pair} cannot run: {'; '.join(problems)}")
    if not found.left:
        print("No stack is within the budget.")


def _about(found: Race) -> str:
    if found.passes:
        return "it is about these prompts and any noise."
    return "the order of the prompts must mean nothing."


def _share(figure: Figure | None) -> str:
    if figure is None or figure.value is None or figure.lo is None or figure.hi is None:
        return ""
    return f"{100 * figure.value:.1f} % [{100 * figure.lo:.1f}, {100 * figure.hi:.1f}]"
