"""safelight methods"""

from __future__ import annotations

from safelight.cli.terminal import Flag, command, emit, show

app = command("safelight methods")


@app.default
def methods(*, json: Flag = False) -> None:
    """List the methods: paper, hooks, what they need, presets.

    Args:
        json: Print one JSON document.
    """
    from safelight.core.method import hooks, needs
    from safelight.core.registry import load_all

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
