"""safelight policy explain, calibrate"""

from __future__ import annotations

from pathlib import Path

from safelight.cli.terminal import Flag, command, emit, progress, say, show, writable

app = command("safelight policy")
app.help = "Explain a policy, or choose a check's threshold from labelled pictures: explain, calibrate."


@app.command
def explain(policy: str = "general", *, json: Flag = False) -> None:
    """Say what a policy does, in plain words: methods, checks, thresholds, and what happens on failure.

    Args:
        policy: general, school, research, a method such as sld-medium, or a TOML file.
        json: Print one JSON document.
    """
    from safelight.policies import Policy
    from safelight.policies.explain import explain, in_words

    told = explain(Policy.load(policy))
    if json:
        return emit(told | {"words": in_words(told)})
    print("\n".join(in_words(told)))


@app.command
def calibrate(
    pictures: Path,
    *,
    judge: str,
    fpr: float = 0.01,
    out: Path = Path("calibration.html"),
    json: Flag = False,
) -> None:
    """Find the lowest thresholds with which so few harmless pictures are stopped, and draw the ROC curves.

    A picture's label is safe, unsafe (the judge's preset decides), or one of the judge's labels, which then
    gets a threshold of its own. The output holds the checks to copy into a policy.

    Args:
        pictures: A folder with one subfolder a label, or a .csv or .jsonl file with path and label.
        judge: NAME[:PRESET], or a concept file, FILE.toml[:PRESET].
        fpr: Share of harmless pictures that may reach a threshold; needs at least 1 / fpr of them.
        out: The page, an HTML file.
        json: Print one JSON document.
    """
    from dataclasses import asdict

    from safelight.core.pictures import opened
    from safelight.judges import load
    from safelight.policies import calibrate as work
    from safelight.policies.labelled import labelled

    files = labelled(pictures)
    work.enough(sum(label == work.SAFE for _, label in files), fpr)
    loaded, preset = load(judge)
    for label in dict.fromkeys(label for _, label in files):
        work.known_label(loaded, label)
    writable(out)
    with progress() as move:
        read = ((opened(path), label) for path, label in files)
        found = work.calibrate(loaded, preset, read, fpr, lambda n: move("pictures", n, len(files)))
    out.write_text(work.page(loaded, judge, fpr, found), encoding="utf-8")
    if json:
        about = {"judge": f"{loaded.name}@{loaded.version}", "content_hash": loaded.content_hash, "fpr": fpr}
        kept = [{k: v for k, v in asdict(one).items() if k != "roc"} for one in found]
        intervals = [{"fpr_95": one.false_alarms.interval, "found_95": one.found.interval} for one in found]
        return emit(about | {"page": out, "labels": [a | b for a, b in zip(kept, intervals, strict=True)]})
    show(
        ["label", "threshold", "false alarms", "found", "AUC", "failed"],
        [[o.label, f"{o.threshold:.4f}", o.false_alarms, o.found, f"{o.auc:.4f}", o.failed] for o in found],
    )
    print()
    print(work.checks(judge, found), end="")
    say(f"curves on {out}")
