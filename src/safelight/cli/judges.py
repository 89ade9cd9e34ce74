"""safelight judges"""

from __future__ import annotations

from typing import Any

from safelight.cli.terminal import DONE, FAILED, Flag, command, emit, show

app = command("safelight judges")


@app.default
def judges(*, json: Flag = False) -> int:
    """List the judges, their presets and labels.

    A judge is written NAME or NAME:PRESET. One that needs an extra or a setting is listed with what it needs.
    Exit code 1 means that the weights of one are not readable.

    Args:
        json: Print one JSON document.
    """
    from safelight.core.registry import load_all

    rows = [_row(name, make) for name, make in load_all("judges").items()]
    if json:
        emit(rows)
    else:
        header = ["judge", "version", "reads", "about", "presets", "labels"]
        show(
            header,
            [
                _line(row) if "presets" in row else [row["name"], "-", "-", _lack(row), "-", "-"]
                for row in rows
            ],
        )
    return FAILED if any("problem" in row for row in rows) else DONE


def _row(name: str, make: Any) -> dict[str, Any]:
    from dataclasses import asdict

    from safelight.core.errors import BadInput, Damaged
    from safelight.judges import load

    about = " ".join((make.__doc__ or "").split())
    try:
        judge, _ = load(name)
    except Damaged as error:
        return {"name": name, "about": about, "problem": str(error)}
    except BadInput as error:
        return {"name": name, "about": about, "needs": str(error)}
    presets = {key: asdict(preset) for key, preset in judge.presets.items()}
    return {
        "name": name, "version": judge.version, "reads": judge.reads, "about": about, "range": judge.range,
        "content_hash": judge.content_hash, "presets": presets, "labels": list(judge.labels),
    }  # fmt: skip


def _lack(row: dict[str, Any]) -> str:
    return row["problem"] if "problem" in row else row["needs"]


def _line(row: dict[str, Any]) -> list[object]:
    presets = ", ".join(f"{name} ({preset['threshold']:g})" for name, preset in row["presets"].items())
    plain = [label for label in row["labels"] if ":" not in label]
    heads = sorted({label.partition(":")[0] for label in row["labels"] if ":" in label})
    return [
        row["name"],
        row["version"],
        row["reads"],
        row["about"],
        presets,
        ", ".join([*plain, *(f"{head}:..." for head in heads)]),
    ]
