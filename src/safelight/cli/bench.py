"""safelight bench"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from safelight.core.errors import BadInput

if TYPE_CHECKING:
    from safelight.core.ports import Judge

app = command("safelight bench")
NOT_YET = "shard {} is finished; the table comes with the last shard, or without --shard"


@app.default
def bench(
    task: str,
    *,
    model: str = "miniature",
    policy: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    n: Number | None = None,
    published: Flag = False,
    prompts: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    settings: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), show_default=False)] = (),
    shard: str = "1/1",
    engine: str = "local",
    dtype: str | None = None,
    out: str = "runs.db",
    json: Flag = False,
) -> int:
    """Measure what policies do to a model, on the same noise, with intervals.

    The unguarded model ("base") is always measured beside them. What OUT holds already is not made again,
    so an interrupted run goes on where it stopped.

    A table, such as sdd-table-nudity, names several tasks and its own rows. What these need is trained first,
    into the folder beside OUT with the ending .artifacts.

    Args:
        task: A task's or table's name (safelight tasks lists them) or a TOML file.
        model: miniature, a folder in diffusers layout, or a hub id owner/name.
        policy: A policy's name or TOML file, general by default; give it again for more. Not for a table.
        n: Pictures under each policy; the whole task by default, in a table its own number for each task.
        published: Train a table's rows as long as their authors did, instead of by the fast schedules.
        prompts: For a task on published prompts: their file, or a data set on the hub, OWNER/NAME[/FILE]. For
            a table TASK=FILE; give it again for more.
        settings: A setting of a judge that the task or a policy names, as in q16.weights=FILE; again for
            more.
        shard: i/m: make only every m-th block from the i-th on, to share the work among processes with one
            OUT. The last one prints the table.
        engine: local, or ray, which shares the task among the GPUs or CPU cores of this machine, or of the
            cluster that RAY_ADDRESS names.
        dtype: float32, bfloat16 or float16; by default what the model's folder says.
        out: Database file or URL for runs, pictures' rows, decisions and scores.
        json: Print one JSON document.
    """
    from safelight.benchmark import bench, facts, grid
    from safelight.core.valid import one_of
    from safelight.tables import is_table

    one_of("engine", engine, ("local", "ray"))
    if is_table(task):
        if policy or engine != "local":
            raise BadInput(
                "a table has rows of its own and is shared by --shard: leave --policy and --engine out"
            )
        files = files_of(prompts)
        return _table(task, model, out, n, files, judges_of(settings), published, shard, dtype, json)
    if len(prompts) > 1:
        raise BadInput(f"a task draws one file of prompts, got {len(prompts)}: only a table takes several")
    file = next(iter(prompts), None)
    if published:
        raise BadInput(f"'{task}' is no table, so nothing is trained: leave --published out")
    if engine == "ray" and shard != "1/1":
        raise BadInput("the engine ray makes its own shards: leave --shard out")
    if engine == "ray" and settings:
        raise BadInput("the engine ray makes judges without settings: take --shard, or leave --set out")
    policies, judges = policy or ("general",), judges_of(settings)
    with progress() as move:
        try:
            if engine == "ray":
                from safelight.benchmark import cluster

                table = cluster.bench(task, model, policies, out, n, prompts=file, dtype=dtype)
            else:
                of = in_dtype(model, dtype)
                parts = {"prompts": file, "shard": shard, "judges": judges}
                table = bench(task, of, policies, out, n, **parts, progress=move)
        except KeyboardInterrupt:
            say(f"stopped: finished blocks stay in {out}; the same command goes on from there")
            return INTERRUPTED
    if not table.cells:
        say(NOT_YET.format(shard))
    if json:
        emit(table.json())
    elif table.cells:
        show(*grid(table))
        print("\n" + facts(table))
    return FAILED if any(cell.figure.failed for cell in table.cells) else DONE


def files_of(prompts: Sequence[str]) -> dict[str, str]:
    """Files by task from texts TASK=FILE. Raises BadInput."""
    pairs = [text.partition("=") for text in prompts]
    if wrong := [text for text, (task, _, file) in zip(prompts, pairs, strict=True) if not (task and file)]:
        raise BadInput(f"a table's tasks need a file each, --prompts TASK=FILE; got '{wrong[0]}'")
    if len(found := {task: file for task, _, file in pairs}) < len(pairs):
        raise BadInput("a task of the table is given two files of prompts")
    return found


def judges_of(settings: Sequence[str]) -> dict[str, Judge]:
    """Judges with settings of their own by name, from texts JUDGE.KEY=VALUE. Raises BadInput, UnknownName."""
    from safelight.core.settings import parse
    from safelight.judges import kinds, load

    by: dict[str, list[str]] = {}
    for text in settings:
        name, dot, setting = text.partition(".")
        if not dot or "=" in name:
            raise BadInput(f"'{text}' is no setting of a judge: write JUDGE.KEY=VALUE")
        by.setdefault(name, []).append(setting)
    return {name: load(name, **parse(name, texts, kinds(name)))[0] for name, texts in by.items()}


def _table(
    name: str,
    model: str,
    out: str,
    n: int | None,
    prompts: Mapping[str, str],
    judges: Mapping[str, Judge],
    published: bool,
    shard: str,
    dtype: str | None,
    json: bool,
) -> int:
    """The rows of a table, trained and measured."""
    from safelight.tables.fill import fill

    with progress() as move:
        try:
            parts = {"prompts": prompts, "judges": judges, "published": published, "shard": shard}
            made = fill(name, model, out, n, **parts, dtype=dtype, progress=move)
        except KeyboardInterrupt:
            say(
                f"stopped: what is finished stays in {out} and beside it; the same command goes on from there"
            )
            return INTERRUPTED
    if not made.entries:
        say(NOT_YET.format(shard))
    if json:
        emit(made.json())
    elif made.entries:
        show(*made.grid())
        print("\n" + "\n".join(made.facts()))
    return FAILED if any(cell.figure.failed for table in made.tables for cell in table.cells) else DONE
