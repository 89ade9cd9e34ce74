"""`python -m safelight.demo --out out/demo`: the page, in about three minutes on two cores."""

from __future__ import annotations

from pathlib import Path

from safelight.cli.terminal import Flag, alone, emit, made, progress, say


def demo(*, out: Path = Path("out/demo"), model: str = "miniature", json: Flag = False) -> None:
    """Draw the same prompts on the same noise, unguarded and under four policies, and write one page.

    Args:
        out: Folder for index.html, demo.png and the records; what it holds already is not made again.
        model: miniature, or a folder with a model of the same world.
        json: Print the paths and the headline as one JSON document.
    """
    from safelight.demo.collect import collect, plans
    from safelight.demo.page import html
    from safelight.demo.sheet import wide
    from safelight.diffusion.load import load

    made(out)
    command = f"python -m safelight.demo --out {out}" + (f" --model {model}" if model != "miniature" else "")
    with progress() as move:
        page = collect(
            load(model), out, plans(), command, progress=lambda done, total: move("pictures", done, total)
        )
    (out / "index.html").write_text(html(page), encoding="utf-8")
    wide([page.groups[1], page.groups[2], page.groups[3]], (5, 3, 3)).save(out / "demo.png", optimize=True)
    if json:
        return emit({"page": out / "index.html", "picture": out / "demo.png", "headline": page.headline})
    for number, what in page.headline:
        say(f"{number:>6} {what}")
    say(f"open {out / 'index.html'}")


if __name__ == "__main__":
    alone(demo, "python -m safelight.demo")
