"""A policy's checks without a drawing: what it says of a prompt, or of a picture that is there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os.path import isdir, isfile
from pathlib import Path
from typing import Any

from safelight.core.errors import BadInput
from safelight.core.nouns import WITHHELD, Decision, Outcome, Prompt, strictest
from safelight.core.pictures import ENDINGS, opened
from safelight.core.ports import Judge
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.guarded import decide
from safelight.policies import Bound, Policy


@dataclass(frozen=True)
class Checked:
    """What a policy decides on one prompt, or one picture's file. `prompt`: as its methods left it."""

    item: str
    outcome: Outcome
    decisions: tuple[Decision, ...]
    prompt: str | None = None

    @property
    def withheld(self) -> bool:
        return self.outcome in WITHHELD

    def as_dict(self) -> dict[str, Any]:
        """For JSON; without the text where the hard stop refused it."""
        texts = {"item": self.item, "prompt": self.prompt}
        if decide.stopped(self.decisions):
            texts = dict.fromkeys(texts)
        decisions = [asdict(decision) for decision in self.decisions]
        return texts | {"outcome": self.outcome, "decisions": decisions}


def checked(
    items: Sequence[str],
    model: str | Path | Any = "miniature",
    policy: str | Path | Policy = "general",
    *,
    judges: Mapping[str, Judge] | None = None,
) -> list[Checked]:
    """Prompts through a policy's prompt stage, hard stop and methods included, and picture files through its
    image checks; a file that is no one picture is blocked. Nothing is drawn or written.

    Args:
        items: prompts; what names a file, or ends like a picture's, is a picture.
        model: whose judges the policy may have: what `safelight.load` takes, or what it gave.

    Raises:
        BadInput, UnknownName: there is nothing to check, an item is a folder, or there is no such policy,
            model or judge.
        Refused: the policy cannot run on this model; every reason at once.
    """
    if not items or not all(item.strip() for item in items):
        raise BadInput("there is nothing to check: give prompts that are not empty, or pictures")
    if folders := [item for item in items if isdir(item)]:
        raise BadInput(f"{folders[0]} is a folder: name its pictures")
    policy = policy if isinstance(policy, Policy) else Policy.load(policy)
    bound = policy.bind(model if isinstance(model, Generator) else load(model), judges)
    return [_picture(Path(item), bound) if _is_picture(item) else _prompt(item, bound) for item in items]


def _is_picture(item: str) -> bool:
    """A file of any other name must not pass for a harmless prompt."""
    return item.lower().endswith(ENDINGS) or isfile(item)


def _prompt(text: str, bound: Bound) -> Checked:
    prompt, decisions = decide.on_prompt(Prompt(text), bound)
    return Checked(text, strictest(d.outcome for d in decisions), tuple(decisions), prompt.text)


def _picture(path: Path, bound: Bound) -> Checked:
    decisions: list[Decision] = []
    try:
        decide.on_pictures([(opened(path), decisions)], bound)
    except BadInput as error:
        decisions.append(decide.broken("image", "read", path.name, str(error)))
    return Checked(str(path), strictest(d.outcome for d in decisions), tuple(decisions))
