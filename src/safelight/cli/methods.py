"""safelight methods"""

from __future__ import annotations

from safelight.cli.terminal import Flag, command, emit, show

app = command("safelight methods")


@app.default
def methods(*, matrix: Flag = False, json: Flag = False) -> None:
    """List the methods: paper, hooks, what they need, presets.

    Args:
        matrix: Try every method and every pair on a tiny model of every family: pictures, or why not.
        json: Print one JSON document.
    """
    from safelight.core.method import hooks, needs
    from safelight.core.registry import load_all

    if matrix:
        return _matrix(json)
    rows = [
        {
            "name": name,
            "paper": method.paper,
            "hooks": list(hooks(method)),
            "needs": sorted(cap.name for cap in needs(method)),
            "families": sorted(method.families) or ["all"],
            "presets": list(method.presets),
        }
        for name, method in load_all("methods").items()
    ]
    if json:
        return emit(rows)
    show(list(rows[0]), [[v if isinstance(v, str) else ", ".join(v) for v in row.values()] for row in rows])


def _matrix(json: bool) -> None:
    from dataclasses import asdict

    from safelight.benchmark import matrix

    cells = matrix.matrix()
    if json:
        return emit([asdict(cell) for cell in cells])
    print(matrix.markdown(cells), end="")
