"""The model card: what the miniature draws for which words, every figure with n and interval."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from safelight.core.errors import BadInput
from safelight.core.intervals import share
from safelight.core.valid import whole
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.diffusion.sampling import Sampling
from safelight.diffusion.whole import CHECKSUMS
from safelight.miniature.build.card_figures import FIGURES, Line, Probabilities, Read
from safelight.miniature.build.card_groups import DEFAULT, GUIDANCES, groups
from safelight.miniature.build.workers import Block, Seen, see
from safelight.miniature.oracle import VERSION

FILE = "CARD.md"
"""Where the card lies in the model's folder."""
HEADER = """\
# The miniature

A Stable Diffusion of 64 x 64 pixels that was trained on a drawn world whose truth is known, to measure what
safety methods do. What it shows of unsafe content are wooden lay figures and drawn red splashes; its people
are adults. It ranks mechanisms; it does not predict a large model, and it is not for making pictures.

- Use: `safelight.load("miniature")`, or `StableDiffusionPipeline.from_pretrained(FOLDER)` of diffusers.
- Data: drawings and captions that the program makes from two seeds. No photograph, no text of others but the
  concept lists that safety papers print.
- Training: `safelight miniature build`. Recipe, seeds and what each stage measured stand in build.json, the
  losses in log/, the sha256 of every file in checksums.json.
- Biases are planted, for methods to find: innocent words that draw unsafe pictures, shares of women and of
  dark skins in professions, settings that foreign letters bring. "Planted" is the share in the training
  pictures; guidance amplifies it.
- Limits: captions of several things lose more of their words than captions of one.
- Licence: Apache-2.0.

## Figures

<!-- --8<-- [start:figures] -->
"""
FOOTER = "<!-- --8<-- [end:figures] -->\n"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Card:
    """All figures, with what made them. `doubtful`: pictures that the two oracles read unlike, captioned."""

    model: dict[str, str]
    sampling: Sampling
    pictures: int
    lines: list[Line]
    doubtful: list[tuple[UInt8[np.ndarray, "64 64 3"], str]]
    judge: str = f"oracle@{VERSION}"

    def json(self) -> dict[str, Any]:
        figures = [
            {"what": x.what, "guidance": x.guidance, "planted": x.planted, **asdict(x.figure)}
            for x in self.lines
        ]
        return {
            "model": self.model,
            "sampling": asdict(self.sampling),
            "judge": self.judge,
            "pictures": self.pictures,
            "figures": figures,
        }

    def table(self) -> str:
        """One line a figure."""
        s = self.sampling
        rows = [
            f"Measured on the miniature: {self.pictures} pictures, {s.solver}, {s.steps} steps, {s.dtype},",
            f"read by {self.judge}; 95 % intervals. Weights {self.model['sha256'][:12]}.\n",
            "| figure | guidance | planted | measured | interval | n |",
            "|---|---|---|---|---|---|",
        ]
        for line in self.lines:
            f, planted = line.figure, "" if line.planted is None else f"{line.planted:.2f}"
            value = "not measured" if f.value is None else f"{f.value:.3f}"
            interval = "" if f.lo is None else f"{f.lo:.3f} to {f.hi:.3f}"
            rows.append(f"| {line.what} | {line.guidance:g} | {planted} | {value} | {interval} | {f.n} |")
        return "\n".join(rows) + "\n"

    def markdown(self) -> str:
        """The card as it ships: what the model is, and the table."""
        return HEADER + self.table() + FOOTER


def card(
    generator: Generator | None = None,
    n: int = 500,
    n_profession: int = 200,
    processes: int = 1,
    progress: Progress = lambda done, total: None,
) -> Card:
    """Draw and read everything. About 9,000 pictures at the default n.

    n: pictures a family and guidance. n_profession: pictures a profession, at guidance 1 and 5. processes:
    how many share the work, with one thread each; the figures do not depend on it.
    """
    if min(n, n_profession) < 1:
        raise BadInput(f"a card needs at least one picture a figure, got n={n}, n_profession={n_profession}")
    whole("processes", processes, 1)
    generator = generator or load("miniature")
    plan = [(group, guidance) for guidance in GUIDANCES for group in groups(guidance, n, n_profession)]
    total, done = sum(len(group.prompts) for group, _ in plan), 0
    each = generator.sampling.block
    blocks = [
        Block(group.prompts[i : i + each], group.seeds[i : i + each], guidance)
        for group, guidance in plan
        for i in range(0, len(group.prompts), each)
    ]
    lines: list[Line] = []
    doubtful: list[tuple[np.ndarray, str]] = []
    differ: dict[str, list[float]] = {"bare": [], "violent": []}
    with closing(see(generator, blocks, processes)) as seen:
        for group, guidance in plan:
            parts: list[Seen] = []
            for part in islice(seen, -(-len(group.prompts) // each)):
                parts.append(part)
                done += len(part.images)
                progress(done, total)
            images, read = np.concatenate([p.images for p in parts]), joined([p.read for p in parts])
            lines += FIGURES[group.name](group, read, guidance)
            for head, unlike in differ.items():
                mine = read.unlike(head)
                unlike += map(float, mine)
                for i in np.flatnonzero(mine).tolist():
                    said = " ".join(f"{r[head][i, 1]:.2f}" for r in (read.a, read.b))
                    doubtful.append((images[i], f"{head} {said}: {group.prompts[i]}"))
    for head, unlike in differ.items():
        lines.append(Line(f"the two oracles disagree: {head}", DEFAULT, share(unlike, range(len(unlike)))))
    model = {"name": generator.name, "sha256": generator.content_hash}
    return Card(model, replace(generator.sampling, guidance=DEFAULT), total, lines, doubtful)


def joined(reads: Sequence[Read]) -> Read:
    """One reading of all pictures."""
    return Read(_joined([r.a for r in reads]), _joined([r.b for r in reads]))


def _joined(parts: Sequence[Probabilities]) -> Probabilities:
    return {head: np.concatenate([part[head] for part in parts]) for head in parts[0]}


def write(card: Card, path: Path) -> None:
    """The card as Markdown. In a model's folder it stands in the checksums like every other file."""
    path.write_text(card.markdown(), encoding="utf-8")
    sums = path.parent / CHECKSUMS
    if sums.exists():
        listed = json.loads(sums.read_text(encoding="utf-8"))
        listed[path.name] = sha256(path.read_bytes()).hexdigest()
        sums.write_text(json.dumps(dict(sorted(listed.items())), indent=1) + "\n", encoding="utf-8")
