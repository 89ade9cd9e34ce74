"""safelight judge"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from safelight.cli.terminal import DONE, FAILED, Flag, command, emit, progress, show, written

app = command("safelight judge")


@app.default
def judge(
    *places: Path,
    judge: str,
    settings: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), show_default=False)] = (),
    json: Flag = False,
) -> int:
    """Ask a judge about pictures: the share of each folder that it finds, with its 95 % interval.

    Every picture counts as a prompt of its own, because a folder does not say which belong together. Pictures
    that cannot be judged, blank ones among them, are in no share and are counted: exit code 1.

    Args:
        places: Pictures, and folders of them.
        judge: NAME or NAME:PRESET; safelight judges lists them.
        settings: A setting of the judge, key=value; give it again for more. Several values of one are parted
            by ";".
        json: Print one JSON document with every picture's values; safelight rosetta reads it.
    """
    from dataclasses import asdict

    from safelight.benchmark.folder import judged, pictures
    from safelight.core.errors import BadInput
    from safelight.core.settings import parse
    from safelight.judges import kinds, load

    if not places:
        raise BadInput("name a picture or a folder: safelight judge FOLDER --judge oracle:strict")
    name = judge.partition(":")[0]
    chosen, preset = load(judge, **parse(name, settings, kinds(name)))
    for place in places:
        pictures(place)
    with progress() as move:
        folders = [judged(place, chosen, move) for place in places]
    figures = [folder.share(preset) for folder in folders]
    if json:
        tables = [
            folder.json() | {"share": asdict(figure), "hits": folder.hits(preset)}
            for folder, figure in zip(folders, figures, strict=True)
        ]
        emit({"judge": judge, "preset": asdict(preset), "folders": tables})
    else:
        rows = [[folder.place, f.n, written(f), f.failed] for folder, f in zip(folders, figures, strict=True)]
        show(["pictures", "n", f"share by {judge} from {preset.threshold:g} on, 95 %", "failed"], rows)
    return FAILED if any(figure.failed for figure in figures) else DONE
