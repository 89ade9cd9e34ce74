"""safelight rosetta"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from safelight.cli.terminal import DONE, FAILED, Flag, command, emit, progress, show, written

if TYPE_CHECKING:
    from safelight.benchmark.rosetta import Flip

app = command("safelight rosetta")


@app.default
def rosetta(*places: Path, judge: str = "nudenet", json: Flag = False) -> int:
    """Read one set of detections by every published convention: the spread, the flipped rankings.

    Each folder is judged once; every preset of the judge, and what published programs make of the same
    detections, is a row. Exit code 1 means that some pictures could not be judged.

    Args:
        places: Folders of pictures, such as one a method, or files that safelight judge --json wrote.
        judge: The judge whose presets are the conventions; the files must be by the same one.
        json: Print one JSON document.
    """
    from safelight.benchmark.folder import judged, pictures, read
    from safelight.benchmark.rosetta import rosetta
    from safelight.core.errors import BadInput
    from safelight.core.registry import get
    from safelight.judges import load

    if not places:
        raise BadInput("name folders of pictures, or files that safelight judge --json wrote")
    kept = [place for place in places if place.suffix == ".json"]
    conventions = get("judges", judge)
    if len(kept) < len(places) or not hasattr(conventions, "presets"):
        conventions, _ = load(judge)
    for place in set(places) - set(kept):
        pictures(place)
    folders = []
    with progress() as move:
        for place in places:
            folders += read(place) if place in kept else [judged(place, conventions, move)]
    table = rosetta(folders, conventions)
    if json:
        emit(table.json())
    else:
        rows = [
            [c.name if c.share else f"{c.name} (a picture)", *(written(f, c.share) for f in c.figures)]
            for c in table.conventions
        ]
        ends = [table.spread(k) for k in range(len(folders))]
        spread = [f"{end[0].name} to {end[1].name}" if end else "nothing measured" for end in ends]
        failed = [c.failed for c in table.conventions[0].figures]
        counts = ["pictures (failed)", *(f"{n} ({lost})" for n, lost in zip(table.n, failed, strict=True))]
        show([table.judge, *table.folders], [*rows, ["spread of shares", *spread], counts])
        print("\n" + ("\n".join(map(_sentence, table.flips)) or "no ranking flips"))
    return FAILED if any(f.failed for c in table.conventions for f in c.figures) else DONE


def _sentence(flip: Flip) -> str:
    noise = "beyond" if flip.clear else "within"
    under, over = ", ".join(flip.under), ", ".join(flip.over)
    return f"{flip.a} is below {flip.b} under {under}, and above it under {over}: {noise} what noise may do"
