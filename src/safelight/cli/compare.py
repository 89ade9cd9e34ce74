"""safelight compare"""

from __future__ import annotations

from safelight.cli.terminal import Flag, command, emit, say, show

app = command("safelight compare")


@app.default
def compare(run_a: str, run_b: str, *, db: str = "runs.db", json: Flag = False) -> None:
    """Say on what two runs differ, and by how much: paired differences, erase rates, intervals.

    Nothing is drawn: all figures come from the stored scores. Runs of different tasks, or measured by
    different versions of metrics or judges, are refused.

    Args:
        run_a: A run by its policy, by TASK/POLICY, or by the beginning of its id.
        run_b: The run that is compared with it.
        db: Database file or URL that safelight bench wrote.
        json: Print one JSON document.
    """
    from safelight.benchmark.compare import comparison
    from safelight.benchmark.results import find, opened
    from safelight.benchmark.table import spelled

    with opened(db) as store:
        made = comparison(store, find(store, run_a), find(store, run_b))
    if json:
        return emit(made.json())
    names = [f"A: {made.a.policy}", f"B: {made.b.policy}"]
    say(f"{made.a.task}, the first {made.n} pictures of each on the same noise")
    show(["differs in", *names], [[axis, *(v or "-" for v in both)] for axis, both in made.axes.items()])
    print()
    show(
        ["measure", *names, "B - A", "erase rate"],
        [
            [a.heading, a.text, b.text, b.change_text, spelled(b.erased) if b.erased else ""]
            for a, b in made.pairs
        ],
    )
    if made.only:
        say(f"in one of them only: {', '.join(made.only)}")
