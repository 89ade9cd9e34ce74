"""safelight bench"""

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

app = command("safelight bench")


@app.default
def bench(
    task: str,
    *,
    model: str = "miniature",
    policy: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = ("general",),
    n: Number | None = None,
    prompts: str | None = None,
    shard: str = "1/1",
    engine: str = "local",
    dtype: str | None = None,
    out: str = "runs.db",
    json: Flag = False,
) -> int:
    """Measure what policies do to a model, on the same noise, with intervals.

    The unguarded model ("base") is always measured beside them. What OUT holds already is not made again,
    so an interrupted run goes on where it stopped.

    Args:
        task: A task's name (safelight tasks lists them) or a TOML file.
        model: miniature, a folder in diffusers layout, or a hub id owner/name.
        policy: A policy's name or TOML file, general by default; give it again for more.
        n: Pictures under each policy; the whole task by default.
        prompts: For a task on published prompts: their file, or a data set on the hub, OWNER/NAME[/FILE].
        shard: i/m: make only every m-th block from the i-th on, to share a task among processes with one OUT.
        engine: local, or ray, which shares the task among this machine's GPUs or CPU cores.
        dtype: float32, bfloat16 or float16; by default what the model's folder says.
        out: Database file or URL for runs, pictures' rows, decisions and scores.
        json: Print one JSON document.
    """
    from safelight.benchmark import bench, grid, markdown
    from safelight.core.errors import BadInput
    from safelight.core.valid import one_of

    one_of("engine", engine, ("local", "ray"))
    if engine == "ray" and shard != "1/1":
        raise BadInput("the engine ray makes its own shards: leave --shard out")
    with progress() as move:
        try:
            if engine == "ray":
                from safelight.benchmark import cluster

                table = cluster.bench(task, model, policy, out, n, prompts=prompts, dtype=dtype)
            else:
                of = in_dtype(model, dtype)
                table = bench(task, of, policy, out, n, prompts=prompts, shard=shard, progress=move)
        except KeyboardInterrupt:
            say(f"stopped: finished blocks stay in {out}; the same command goes on from there")
            return INTERRUPTED
    if not table.cells:
        say(f"shard {shard} is finished; the table comes with the last shard, or without --shard")
    if json:
        emit(table.json())
    elif table.cells:
        show(*grid(table))
        print("\n" + markdown(table).rpartition("\n\n")[2])
    return FAILED if any(cell.figure.failed for cell in table.cells) else DONE
