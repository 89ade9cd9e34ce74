"""What the string tiers of the prompt gate find in published prompts: unsafe ones, and harmless ones wrongly.

    python benchmarks/prompts.py [--data FOLDER]

FOLDER (by default what SAFELIGHT_DATA names) has the sets I2P, CoPro, POSI, COCO and PartiPrompts. A prompt
is found if what a policy's prompt stage decides keeps its picture from the user; nothing is drawn. The stages
(those that agree on every prompt share a column):
    general, ...   the policies that ship, each as it is; `school` has `normalise` before `terms`
    terms          the method `terms` with its lists, in English
The hard stop is in all of them, since no policy can leave it out. `modifiers` is in none: it blocks nothing,
and adds readings for checks by a judge, which find no term. Nor is `guardt2i`: the decoder that ships was
trained on the miniature's captions, and says nothing about prompts in the words of others.

Printed are shares with 95 % Wilson intervals (the unit is the prompt), and of each file its rows and SHA-256;
never a prompt. Unsafe means what the authors of a set say of all its prompts: of I2P, that they are likely to
give inappropriate pictures, which most of them do without a word that says so.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from safelight.benchmark import ruled
from safelight.core.intervals import wilson
from safelight.core.nouns import Prompt, strictest
from safelight.diffusion.load import load
from safelight.guarded.decide import on_prompt
from safelight.methods.prompt.terms import Terms
from safelight.metrics.over_refusal import REFUSED
from safelight.policies import Bound, Policy
from safelight.tasks.published import column, read

SHIPPED = ("general", "school", "research")
TERMS = Policy("terms", ({"use": "terms"},))


@dataclass(frozen=True)
class Published:
    """A column of prompts in a file. by: the column with its categories, separated by commas."""

    name: str
    unsafe: bool
    file: str
    column: str
    by: str | None = None


SETS = (
    Published("I2P", True, "i2p/i2p.csv", "prompt", "categories"),
    Published("CoPro, unsafe", True, "copro/pairs.csv", "unsafe_prompt", "domain"),
    Published("POSI, toxic", True, "posi/sft_pairs.csv", "toxic_prompt"),
    Published("COCO", False, "coco/coco_30k.csv", "prompt"),
    Published("PartiPrompts", False, "parti/PartiPrompts.tsv", "Prompt"),
    Published("CoPro, safe", False, "copro/pairs.csv", "safe_prompt", "domain"),
    Published("POSI, clean", False, "posi/sft_pairs.csv", "clean_prompt"),
)


def main() -> None:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--data", type=Path, default=os.environ.get("SAFELIGHT_DATA"))
    folder = parser.parse_args().data
    if folder is None:
        print("no published prompts: name their folder with --data or SAFELIGHT_DATA")
        return
    if missing := sorted({one.file for one in SETS if not (folder / one.file).is_file()}):
        raise SystemExit(f"{folder} has no {', '.join(missing)}")
    model = load("miniature")
    stages = [policy.bind(model) for policy in (*map(Policy.load, SHIPPED), TERMS)]
    print(table([part for one in SETS for part in parts(one, folder, stages)], stages))
    lists = ", ".join(f"{len(words.terms['en'])} of {words.category}" for words in Terms().loaded)
    print(f"\n95 % Wilson intervals. Terms of the lists: {lists}.\n")
    print(ruled(["file", "rows", "SHA-256"], [about(folder, file) for file in files()]))


Part = tuple[str, list[list[bool]]]
"""The name of a set or of a category in it, and of each prompt whether each stage found it."""


def parts(one: Published, folder: Path, stages: Sequence[Bound]) -> Iterator[Part]:
    """The whole set, and each of its categories. Rows without a prompt are left out."""
    _, rows = read(folder / one.file)
    at = column(one.column, rows, one.file)
    found = [
        (categories(row, one.by), [refused(row[at], stage, f"{one.file}, row {i}") for stage in stages])
        for i, row in enumerate(rows, 1)
        if row[at].strip()
    ]
    yield f"**{one.name}** ({'unsafe' if one.unsafe else 'harmless'})", [hits for _, hits in found]
    for category in sorted({each for named, _ in found for each in named}):
        yield f"{one.name}: {category}", [hits for named, hits in found if category in named]


def refused(text: str, stage: Bound, where: str) -> bool:
    """Whether the prompt stage would keep the picture. What breaks counts as neither, and ends the run."""
    _, decisions = on_prompt(Prompt(text), stage)
    if broken := [said.method for said in decisions if said.status == "failed"]:
        raise SystemExit(f"{where}: {broken[0]} of {stage.policy.name} failed")
    return strictest(said.outcome for said in decisions) in REFUSED


def categories(row: Mapping[str, str], by: str | None) -> list[str]:
    return [category.strip() for category in row[by].split(",")] if by else []


def table(parts: Sequence[Part], stages: Sequence[Bound]) -> str:
    """A line for each part, a column for each stage or for several that agree everywhere."""
    alike: dict[tuple[bool, ...], list[int]] = {}
    for k, verdicts in enumerate(zip(*(hits for _, found in parts for hits in found), strict=True)):
        alike.setdefault(verdicts, []).append(k)
    names = [", ".join(stages[k].policy.name for k in ks) for ks in alike.values()]
    lines = [
        [name, str(len(found)), *(share([hits[k] for hits in found]) for k, *_ in alike.values())]
        for name, found in parts
    ]
    return ruled(["prompts", "n", *(f"found by {name}" for name in names)], lines)


def share(hits: Sequence[bool]) -> str:
    low, high = wilson(sum(hits), len(hits))
    return f"{100 * sum(hits) / len(hits):.2f} % [{100 * low:.2f}, {100 * high:.2f}]"


def files() -> list[str]:
    return list(dict.fromkeys(one.file for one in SETS))


def about(folder: Path, file: str) -> list[str]:
    data, rows = read(folder / file)
    return [f"`{file}`", str(len(rows)), f"`{sha256(data).hexdigest()}`"]


if __name__ == "__main__":
    main()
