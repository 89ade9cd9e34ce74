"""safelight models"""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Any

from safelight.cli.terminal import Flag, command, emit, show

app = command("safelight models")

FORMS = [
    {
        "name": "FOLDER",
        "about": "a Stable Diffusion 1, 2, XL or 3 or a Flux.1 in diffusers layout, safetensors",
    },
    {"name": "OWNER/NAME", "about": "the same from the hub, fetched once"},
]


@app.default
def models(*, json: Flag = False) -> None:
    """List the models that can be named, and how to name your own.

    Args:
        json: Print one JSON document.
    """
    rows = [_miniature(), *FORMS]
    if json:
        return emit(rows)
    header = ["model", "about", "judges", "sampling"]
    show(
        header,
        [[row["name"], row["about"], row.get("judges", "-"), row.get("sampling", "-")] for row in rows],
    )


def _miniature() -> dict[str, Any]:
    import safelight.miniature

    folder = Path(safelight.miniature.__file__).parent / "weights"
    about = "a small Stable Diffusion on a drawn world whose truth is known; ships with safelight"
    try:
        settings = json_format.loads((folder / "safelight.json").read_text(encoding="utf-8"))
    except OSError:
        return {
            "name": "miniature",
            "about": f"its weights are missing from {folder}: install safelight again",
        }
    judges = settings.pop("judges", [])
    sampling = ", ".join(f"{key} {value}" for key, value in settings.items())
    return {"name": "miniature", "about": about, "judges": ", ".join(judges) or "-", "sampling": sampling}
