"""One check of a policy: a judge, a threshold, and what happens to what reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from math import isfinite
from typing import Any, Literal

from safelight.core.errors import Refused, nearest
from safelight.core.nouns import Outcome
from safelight.core.ports import Reads

ACTIONS: Mapping[str, tuple[Outcome, ...]] = {
    "prompt": (Outcome.BLOCK, Outcome.REVIEW),
    "image": (Outcome.BLOCK, Outcome.REVIEW, Outcome.REPLACE, Outcome.BLUR),
}
"""What a check may do at each stage. Repairing and rewriting is done by methods."""
READS: Mapping[str, Reads] = {"prompt": "text", "image": "image"}
"""What the judges of each stage are given."""
ON_ERROR = (Outcome.BLOCK, Outcome.REVIEW)


@dataclass(frozen=True)
class Check:
    """A judge at one stage, and the outcome where its value reaches the threshold.

    Raises:
        Refused: with every problem of the fields.
    """

    stage: Literal["prompt", "image"]
    judge: str
    """NAME or NAME:PRESET."""
    action: Outcome
    category: str = ""
    """The one label of the judge to look at; empty: those of the preset."""
    threshold: float | None = None
    """In the judge's units; None: the preset's."""
    on_error: Outcome = Outcome.BLOCK
    """Where the judge fails: block or review, never allow."""
    unsure: tuple[float, float] | None = None
    """[lo, hi): a value in it goes to `escalate`, or to review where there is none; one from hi on gets the
    action. Replaces the threshold."""
    escalate: str = ""
    """NAME or NAME:PRESET of a second, slower judge whose preset decides where the first is unsure."""
    seconds: float = 60.0
    """How long a judge may take for the pictures of a block, or the readings of a prompt; later it failed."""

    def __post_init__(self):
        if found := problems(asdict(self)):
            raise Refused(found)

    @property
    def second(self) -> Check:
        """The check that `escalate` makes of this one: the same, by the other judge and its preset."""
        return replace(self, judge=self.escalate, category="", threshold=None, unsure=None, escalate="")

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Check:
        """From a TOML table. Raises Refused with every problem, unknown and missing settings included."""
        known = {field.name: field for field in fields(cls)}
        found = [f"unknown setting '{key}'. {nearest(key, known)}" for key in table if key not in known]
        found += [
            f'it needs {name} = "..."'
            for name, field in known.items()
            if field.default is MISSING and name not in table
        ]
        if found := found + problems(table):
            raise Refused(found)
        values: dict[str, Any] = dict(table)
        values |= {key: Outcome(table[key]) for key in ("action", "on_error") if key in table}
        if "unsure" in values:
            values["unsure"] = tuple(values["unsure"])
        return cls(**values)


def problems(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with the settings that are there."""
    found = []
    stage = values.get("stage", "image")
    if stage not in ACTIONS:
        found.append(f"stage = {stage!r:.80} must be 'prompt' or 'image'")
        stage = "image"
    found += _outcome("action", values.get("action", Outcome.BLOCK), ACTIONS[stage], f"the {stage} stage")
    found += _outcome("on_error", values.get("on_error", Outcome.BLOCK), ON_ERROR, "a failed judge")
    for name in ("judge", "category", "escalate"):
        if not isinstance(values.get(name, ""), str):
            found.append(f"{name} = {values[name]!r:.80} must be a text")
    if not _number(threshold := values.get("threshold") or 0.0):
        found.append(f"threshold = {threshold!r:.80} must be a finite number")
    if (unsure := values.get("unsure")) is not None:
        pair = isinstance(unsure, list | tuple) and len(unsure) == 2 and all(map(_number, unsure))
        if not pair or unsure[0] >= unsure[1]:
            found.append(f"unsure = {unsure!r:.80} must be two numbers, the lower first")
        if values.get("threshold") is not None:
            found.append("unsure and threshold exclude each other: unsure = [lo, hi] acts from hi on")
    if values.get("escalate") and unsure is None:
        found.append("escalate needs unsure = [lo, hi]: the values for which the second judge is asked")
    if not _number(seconds := values.get("seconds", 60.0)) or seconds <= 0:
        found.append(f"seconds = {seconds!r:.80} must be a number above 0")
    return found


def _outcome(name: str, value: Any, allowed: tuple[Outcome, ...], where: str) -> list[str]:
    if value in allowed:
        return []
    words = ", ".join(allowed)
    if value in list(Outcome):
        return [f"{name} = '{value}' is not possible for {where}: write one of {words}"]
    return [f"{name} = {value!r:.80} is no outcome. {nearest(value, allowed)}"]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
