"""safelight check"""

from __future__ import annotations

from typing import Any

from safelight.cli.terminal import DONE, FAILED, Flag, command, emit, say, show

app = command("safelight check")


@app.default
def check(*items: str, model: str = "miniature", policy: str = "general", json: Flag = False) -> int:
    """Say what a policy decides on a prompt or a picture, without drawing.

    A prompt goes through the hard stop, the methods that read prompts, and the prompt checks; a picture
    through the image checks. Exit code 1 means that one of them would be withheld.

    Args:
        items: Prompts, each in quotes, and pictures: whatever is a file's name.
        model: Whose judges to use: miniature, a folder in diffusers layout, or a hub id owner/name.
        policy: general, school, research, a method such as sld-medium, or a TOML file.
        json: Print one JSON document.
    """
    from safelight.guarded.checked import checked

    said = checked(items, model, policy)
    documents = [one.as_dict() for one in said]
    if json:
        emit(documents)
    else:
        show(["what", "stage", "by", "outcome", "why"], [row for one in documents for row in _rows(one)])
    if withheld := sum(one.withheld for one in said):
        say(f"{withheld} of {len(said)} would be withheld under the policy '{policy}'")
    return FAILED if withheld else DONE


def _rows(one: dict[str, Any]) -> list[list[object]]:
    """One a decision, and one that says so where nothing decides."""
    what = f"{one['item'] or '(refused)':.60}"
    rows = [[what, d["stage"], d["method"], d["outcome"], d["reason"]] for d in one["decisions"]]
    return rows or [[what, "-", "-", one["outcome"], "the policy has no check for it"]]
