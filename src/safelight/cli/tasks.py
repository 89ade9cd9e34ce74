"""safelight tasks"""

from __future__ import annotations

from typing import TYPE_CHECKING

from safelight.cli.terminal import Flag, command, emit, show

if TYPE_CHECKING:
    from safelight.tasks import Task

app = command("safelight tasks")


@app.default
def tasks(*, json: Flag = False) -> None:
    """List the benchmark tasks, and the tables that several of them make up.

    Of tasks on published prompts the number of pictures is that of the whole file, and unknown where the file
    is the reader's own.

    Args:
        json: Print one JSON document.
    """
    from safelight.core.registry import names
    from safelight.tables import Layout
    from safelight.tasks import Task

    found = [Task.load(name) for name in names("tasks")]
    tables = [Layout.load(name) for name in names("tables")]
    if json:
        plain = [task.model_dump() | {"id": task.id, "pictures": _pictures(task)} for task in found]
        return emit(plain + [table.model_dump() | {"id": table.id} for table in tables])
    header = ["task", "pictures", "judges", "metrics", "about"]
    show(
        header,
        [[t.id, _pictures(t) or "", ", ".join(t.judges), ", ".join(t.metrics), t.about] for t in found],
    )
    print()
    show(
        ["table", "tasks", "rows", "about"],
        [[t.id, ", ".join(t.tasks), ", ".join(row.name for row in t.row), t.about] for t in tables],
    )


def _pictures(task: Task) -> int | None:
    return task.n if task.prompts.rows or task.prompts.published is None else None
