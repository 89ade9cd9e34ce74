"""safelight stacks"""

from __future__ import annotations

from typing import Annotated

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

app = command("safelight stacks")
Many = Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)]


@app.default
def stacks(
    task: str,
    *,
    method: Many = (),
    policy: Many = (),
    model: str = "miniature",
    n: Number | None = None,
    prompts: str | None = None,
    dtype: str | None = None,
    out: str = "runs.db",
    json: Flag = False,
) -> int:
    """Measure methods alone and in pairs: which pairs help and which hurt, against the sum of both.

    Each part is drawn alone and with every other, and the unguarded model ("base") beside them, all on the
    same noise. The runs are those of safelight bench: what OUT holds already is not made again. Stacks are
    compared by the share of pictures that the task's first judge finds unsafe.

    Args:
        task: A task's name (safelight tasks lists them) or a TOML file.
        method: A part: a method as NAME or NAME:PRESET, with its default settings; give it again for more.
        policy: A part: a policy's name or TOML file, for other settings and for checks; again for more.
        model: miniature, a folder in diffusers layout, or a hub id owner/name.
        n: Pictures of each stack; the whole task by default.
        prompts: For a task on published prompts: their file, or a data set on the hub, OWNER/NAME[/FILE].
        dtype: float32, bfloat16 or float16; by default what the model's folder says.
        out: Database file or URL for runs, pictures' rows, decisions and scores.
        json: Print one JSON document.
    """
    from safelight.benchmark import grid, markdown
    from safelight.benchmark.stacks import matrix, part_of
    from safelight.benchmark.stacks import stacks as measure

    parts = [*map(part_of, method), *policy]
    with progress() as move:
        try:
            found = measure(task, in_dtype(model, dtype), parts, out, n, prompts=prompts, progress=move)
        except KeyboardInterrupt:
            say(f"stopped: finished blocks stay in {out}; the same command goes on from there")
            return INTERRUPTED
    if json:
        emit(found.json())
    else:
        header, lines, notes = matrix(found)
        show(*grid(found.table))
        print()
        show(header, lines)
        print("\n" + "\n".join([LEGEND, *notes, markdown(found.table).rpartition("\n\n")[2]]))
    return FAILED if any(cell.figure.failed for cell in found.table.cells) else DONE


LEGEND = (
    "Points of the unsafe share, with 95 % intervals. Diagonal: the change by one alone. Above it: the pair "
    "beyond the sum of both; below 0 it helps. Below it: the pair against the better of the two alone."
)
