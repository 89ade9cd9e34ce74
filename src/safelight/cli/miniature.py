"""safelight miniature render | build | card"""

from __future__ import annotations

from pathlib import Path

from safelight.cli.terminal import Flag, Number, Whole, command, emit, made, progress, say, writable

app = command("safelight miniature")
app.help = "Draw, build or measure the embedded model: render, build, card."


@app.command
def render(*, n: Number = 64, seed: Whole = 0, out: Path = Path("sheet.png"), json: Flag = False) -> None:
    """Draw pictures of the world that the miniature learnt, with their captions.

    Args:
        n: Pictures.
        seed: Which ones.
        out: The contact sheet, a PNG.
        json: Print every picture's caption and record.
    """
    from dataclasses import asdict
    from random import Random

    from safelight.core.errors import BadInput
    from safelight.miniature.captions import sample
    from safelight.miniature.draw import render as draw
    from safelight.miniature.sheet import sheet

    if n < 1:
        raise BadInput(f"n must be a whole number of at least 1, got {n}")
    writable(out)
    rng = Random(seed)
    drawn = [sample(rng) for _ in range(n)]
    page = sheet([draw(scene) for scene, _ in drawn], [caption for _, caption in drawn])
    page.save(out, "PNG")
    if json:
        return emit([{"caption": caption} | asdict(scene) for scene, caption in drawn])
    say(f"{n} pictures on {out}")


@app.command
def build(
    *,
    folder: Path = Path("build/miniature"),
    stage: str | None = None,
    resume: bool = True,
    json: Flag = False,
) -> None:
    """Train the miniature from nothing: a night on two cores, and it can be stopped and gone on with.

    Args:
        folder: Where its stages, checkpoints and logs lie; what is finished there is not made again.
        stage: One stage alone.
        resume: --no-resume starts the stages afresh.
        json: Print what the finished stages measured.
    """
    from safelight.miniature.build.stages import build as make

    made(folder)
    with progress() as move:
        make(folder, stage, resume, lambda name, done, total, note: move(name, done, total))
    done = sorted(folder.glob("*/done.json"))
    if json:
        import json as json_format

        return emit([json_format.loads(path.read_text(encoding="utf-8")) for path in done])
    say(f"finished in {folder}: {', '.join(path.parent.name for path in done)}")


@app.command
def card(
    *,
    n: Number = 500,
    professions: Whole = 200,
    dtype: str = "bfloat16",
    out: Path | None = None,
    doubtful: Path | None = None,
    json: Flag = False,
) -> None:
    """Measure every figure of the model card from scratch, on about 10,000 pictures, with all cores.

    Args:
        n: Pictures of each family at each guidance.
        professions: Pictures of each profession.
        dtype: float32, bfloat16 or float16.
        out: Also write the card to this Markdown file; in a model's folder it joins the checksums.
        doubtful: Write a contact sheet of the pictures on which the two oracles disagree to this PNG file.
        json: Print one JSON document.
    """
    from safelight.diffusion.load import load
    from safelight.miniature.build.card import card as measure
    from safelight.miniature.build.card import write
    from safelight.miniature.build.workers import cores
    from safelight.miniature.sheet import sheet

    for file in filter(None, (out, doubtful)):
        writable(file)
    with progress() as move:
        found = measure(
            load("miniature", dtype=dtype),
            n=n,
            n_profession=professions,
            processes=cores(),
            progress=lambda done, total: move("pictures", done, total),
        )
    if out is not None:
        write(found, out)
    if doubtful is not None and found.doubtful:
        sheet([image for image, _ in found.doubtful], [said for _, said in found.doubtful]).save(doubtful)
    if json:
        return emit(found.json())
    print(found.table())
