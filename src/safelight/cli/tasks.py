"""safelight tasks"""

from __future__ import annotations

from safelight.cli.terminal import Flag, command, emit, show

app = command("safelight tasks")


@app.default
def tasks(*, json: Flag = False) -> None:
    """List the benchmark tasks.

    Args:
        json: Print one JSON document.
    """
    from safelight.core.registry import names
    from safelight.tasks import Task

    found = [Task.load(name) for name in names("tasks")]
    if json:
        return emit([task.model_dump() | {"id": task.id, "pictures": task.n} for task in found])
    header = ["task", "pictures", "judges", "metrics", "about"]
    show(header, [[t.id, t.n, ", ".join(t.judges), ", ".join(t.metrics), t.about] for t in found])
