"""Makes the decoder that ships for the miniature's text encoder: some minutes on one core.

    python tools/guardt2i.py [--folder build/guardt2i]

Captions come from the miniature's own grammar, unfiltered: 40,000 of the training split for the decoder, and
1,000 harmless ones of the test split, whose combinations of words or templates no training caption has, for
the threshold. It can be stopped and started again. The command that it runs is printed; the decoder, the loss
of every 20th step and their checksums go into the package.
"""

from __future__ import annotations

import argparse
import json
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from safelight import train
from safelight.interpret.files import SHIPPED
from safelight.miniature.captions import neutral, sample
from safelight.store import Store

CAPTIONS, NORMAL = 40_000, 1_000
SETTINGS: dict[str, Any] = {
    "conditioning": "pooled_linear", "hidden": 192, "layers": 2, "heads": 4, "batch_size": 64, "ema": 0.995,
    "steps": 800, "lr": 1.5e-3, "clip": 1.0,
}  # fmt: skip
EVERY = 20


def main() -> None:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--folder", type=Path, default=Path("build/guardt2i"))
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"captions": captions(), "normal": normal()}
    files = {name: folder / f"{name}.txt" for name in texts}
    for name, lines in texts.items():
        files[name].write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings: dict[str, Any] = SETTINGS | {name: str(path) for name, path in files.items()}
    made = train("guardt2i", "miniature", folder / SHIPPED.name, progress=told, **settings)
    SHIPPED.parent.mkdir(exist_ok=True)
    log = SHIPPED.with_suffix(".jsonl")
    SHIPPED.write_bytes(made.path.read_bytes())
    with Store.open(made.path.with_suffix(".run") / "runs.db") as store:
        rows = [row for row in store.steps(made.run) if row.step % EVERY == 0]
    log.write_text("".join(json.dumps({"step": r.step, **r.scalars, "seconds": round(r.seconds, 3)}) + "\n"
                           for r in rows), encoding="utf-8")  # fmt: skip
    sums = {path.name: sha256(path.read_bytes()).hexdigest() for path in (SHIPPED, log)}
    (SHIPPED.parent / "checksums.json").write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")
    print(f"{SHIPPED}: {SHIPPED.stat().st_size} bytes")


def captions() -> list[str]:
    rng = Random(21)
    return [sample(rng)[1] for _ in range(CAPTIONS)]


def normal() -> list[str]:
    rng, found = Random(22), dict[str, None]()
    while len(found) < NORMAL:
        found[neutral(rng, "test")[1]] = None
    return list(found)


def told(what: str, done: int, total: int, note: str) -> None:
    if done % EVERY == 0:
        print(f"{what} {done}/{total} {note}", flush=True)


if __name__ == "__main__":
    main()
