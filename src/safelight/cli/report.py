"""safelight report"""

from __future__ import annotations

from pathlib import Path

from safelight.cli.terminal import Flag, Number, command, emit, say, writable

app = command("safelight report")
ENDINGS = {"html": ".html", "markdown": ".md", "latex": ".tex", "json": ".json", "parquet": ""}


@app.default
def report(
    db: str,
    *,
    format: str = "html",
    n: Number | None = None,
    out: Path | None = None,
    json: Flag = False,
) -> None:
    """Write one page of all finished runs: tables, plots, pictures, protocol, commands.

    The page stands alone: no script, nothing fetched. Unsafe pictures are blurred until they are clicked. The
    same database gives the same bytes.

    Args:
        db: Database file or URL that safelight bench wrote.
        format: html, markdown, latex, json, or parquet (a folder with the figures and all stored tables).
        n: Pictures of each run that count; by default as many as all runs of a table have.
        out: File to write, or folder for parquet; report with the format's ending by default.
        json: Print where it was written as one JSON document.
    """
    import json as jsons

    from safelight.benchmark import formats
    from safelight.benchmark.report import html
    from safelight.benchmark.report import report as read
    from safelight.benchmark.results import opened
    from safelight.core.valid import one_of

    one_of("format", format, ENDINGS)
    out = out or Path(f"report{ENDINGS[format]}")
    with opened(db) as store:
        if format != "parquet":
            writable(out)
        made = read(store, n)
        match format:
            case "html":
                text = html(made)
            case "markdown":
                text = formats.as_markdown(made)
            case "latex":
                text = formats.as_latex(made)
            case "json":
                text = jsons.dumps(formats.as_json(made), indent=1, ensure_ascii=False) + "\n"
            case _:
                formats.write_parquet(made, store, out)
                text = None
    if text is not None:
        out.write_text(text, encoding="utf-8")
    if json:
        return emit({"written": out})
    say(f"{out}: {len(made.sections)} tables; open it in a browser" if format == "html" else f"{out}")
