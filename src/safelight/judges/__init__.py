"""Judges by name, `NAME[:PRESET]`, and how their values become a verdict.

NAME may be a concept file of yours, `FILE.toml[:PRESET]`: see `clip_concepts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import isclass, signature
from math import isfinite
from typing import Any, Protocol, get_args, get_type_hints

import numpy as np

from safelight.clip.views import Tiled, Views
from safelight.core.errors import BadInput, UnknownName
from safelight.core.nouns import Score
from safelight.core.ports import Fuse, Judge, Preset, Reads
from safelight.core.registry import get, names
from safelight.core.valid import one_of

CONCEPTS = "clip-concepts"
"""The judge that reads concept files."""
__all__ = [
    "Tiled", "Views", "ask", "believed", "blank", "failed", "find", "fuse", "kinds", "load", "preset_of",
]  # fmt: skip
BLANK = "the picture has one single colour: nothing can be judged"
PARTS = ("name", "version", "labels", "range", "reads", "content_hash", "presets")
"""What a judge must have, besides being called."""


class Model(Protocol):
    """What is asked of a generator here: its name, and the judges made for its pictures."""

    @property
    def name(self) -> str: ...
    @property
    def judges(self) -> Sequence[str]: ...


def load(spec: str, **settings: Any) -> tuple[Judge, Preset]:
    """The judge and preset called NAME or NAME:PRESET; without a preset the judge's `default`.

    Raises:
        UnknownName: there is no such judge, preset or setting; with the nearest name.
        BadInput, Refused: the judge needs a setting or an extra that is not there, or its concept file or a
            plug-in's judge is no good.
        Damaged: its weights are not readable.
    """
    name = spec.partition(":")[0]
    if name.endswith(".toml"):
        name, settings = CONCEPTS, {"file": name, **settings}
    make = get("judges", name)
    known = signature(make).parameters
    for key in settings:
        one_of(f"setting of {name}", key, known)
    if lacking := [key for key, p in known.items() if p.default is p.empty and key not in settings]:
        raise BadInput(f"the judge {name} has to be told its {' and '.join(lacking)}")
    judge = _whole(name, make(**settings))
    return judge, preset_of(judge, spec)


def kinds(name: str) -> dict[str, Any]:
    """The type of every setting of a judge. Raises UnknownName."""
    make = get("judges", name)
    hints = get_type_hints(make.__init__ if isclass(make) else make)
    return {key: hints[key] for key in signature(make).parameters}


def find(spec: str, model: Model, own: Mapping[str, Judge], reads: Reads) -> tuple[Judge, Preset]:
    """The judge that a policy or task names, for a model's pictures or the texts they are asked by.

    Args:
        own: the caller's objects, by the names that policy and task give them; else it is a registered one.
        reads: what it will be given.

    Raises:
        UnknownName: there is no such judge or preset.
        BadInput: it was not made for this model's pictures, reads something else, or is no judge; with the
            words that fix it.
    """
    name = spec.partition(":")[0]
    if not name.endswith(".toml") and name not in (known := {*names("judges"), *own}):
        raise UnknownName("judge", name, known)
    if name in own:
        judge = _whole(name, own[name])
        preset = preset_of(judge, spec)
    elif name.endswith(".toml"):
        judge, preset = load(spec)
        if not getattr(judge, "any_model", False) and CONCEPTS not in model.judges:
            raise BadInput(_not_for(model, name))
    elif name in model.judges or getattr(get("judges", name), "any_model", False):
        judge, preset = load(spec)
    else:
        raise BadInput(_not_for(model, name))
    if judge.reads != reads:
        raise BadInput(
            f"the judge '{name}' says reads = {judge.reads!r:.80}, and here it would be given one {reads} "
            f"after the other: take a judge with reads = '{reads}'"
        )
    return judge, preset


def _whole(name: str, judge: Any) -> Judge:
    if lacking := [part for part in PARTS if not hasattr(judge, part)]:
        raise BadInput(f"the judge '{name}' has no {', '.join(lacking)}: see safelight.core.ports.Judge")
    return judge


def _not_for(model: Model, name: str) -> str:
    if model.judges:
        return (
            f"'{model.name}' cannot have the judge '{name}', which was not made for its pictures; it can "
            f'have {", ".join(model.judges)}: write judge = "{model.judges[0]}"'
        )
    return (
        f"'{model.name}' has no judge, and '{name}' was not made for its pictures. Pass a judge of your own "
        f"in Python, judges={{'{name}': judge}}, or take a policy without checks, policy=\"research\" or "
        '--policy research. The safelight.json of a model in a folder can list its judges: "judges": ["NAME"]'
    )


def preset_of(judge: Judge, spec: str) -> Preset:
    """The preset that a spec names. Raises UnknownName."""
    preset = spec.partition(":")[2] or "default"
    if preset not in judge.presets:
        raise UnknownName(f"preset of {judge.name}", preset, judge.presets)
    return judge.presets[preset]


def ask(judge: Judge, items: Sequence[Any]) -> list[Score]:
    """The judge's scores, one an item, fail-closed: what it cannot say, or says of another number of items,
    failed. So does a blank picture, whatever the judge: it is no safe picture but none at all.
    """
    empty = [blank(item) for item in items]  # known before the judge, who may write on its items
    shown = [item for item, none in zip(items, empty, strict=True) if not none]
    scores = iter(_asked(judge, shown))
    return [failed(BLANK) if none else next(scores) for none in empty]


def blank(item: Any) -> bool:
    """Whether this is a picture of one single colour, [h, w, 3]. Black is what a pipeline makes of NaN, and
    what a safety checker leaves of what it blocks; counted as safe, such pictures lower every unsafe rate.
    """
    return (
        isinstance(item, np.ndarray) and item.ndim == 3 and item.size > 0 and bool((item == item[0, 0]).all())
    )


def _asked(judge: Judge, items: Sequence[Any]) -> list[Score]:
    if not items:
        return []
    try:
        scores = judge(items)
    except (Exception, SystemExit) as error:  # anybody's code: its failure is a finding, not the run's end
        return [failed(f"{judge.name} failed: {error!r}")] * len(items)
    if len(scores) != len(items):
        return [failed(f"{judge.name} gave {len(scores)} scores for {len(items)} items")] * len(items)
    return [_sound(judge, score) for score in scores]


def fuse(values: Mapping[str, float], preset: Preset) -> float:
    """One number to hold against the preset's threshold: the verdict is "yes" from the threshold on.

    any: the largest value; weighted: the weighted sum; k-of-n: the k-th largest, which reaches the threshold
    just when k labels do.

    Raises ValueError for a preset that is none of these.
    """
    chosen = [values[label] for label in preset.labels]
    k = preset.k if preset.fuse == "k-of-n" else 1
    if preset.fuse not in get_args(Fuse) or not 1 <= k <= len(chosen):
        raise ValueError(f"the preset wants {preset.fuse}, {k} of {len(chosen)} labels: no value has that")
    if preset.fuse == "weighted":
        return sum(w * v for w, v in zip(preset.weights, chosen, strict=True))
    return sorted(chosen, reverse=True)[k - 1]


def believed(judge: Judge, preset: Preset, values: Mapping[str, float]) -> float:
    """`fuse`, for a verdict on which a picture leaves.

    Raises ValueError for values outside of the judge's range, and for what makes no finite number of them.
    """
    low, high = judge.range
    if not all(low <= values[label] <= high for label in preset.labels):
        raise ValueError(f"{judge.name} left its range [{low:g}, {high:g}]")
    if not isfinite(value := float(fuse(values, preset))):
        raise ValueError(f"{judge.name}: the preset makes {value} of its values")
    return value


def failed(detail: str) -> Score:
    """The score of an item about which nothing is known."""
    return Score(None, "failed", detail)


def _sound(judge: Judge, score: Score) -> Score:
    if score.status != "ok":
        return replace(score, values=None)  # values that their own judge disowns are none
    if score.values is None:
        return failed(f"{judge.name} gave no values: {score.detail}")
    if missing := [label for label in judge.labels if label not in score.values]:
        return failed(f"{judge.name} said nothing of {', '.join(missing[:5])}")
    if wild := [label for label, value in score.values.items() if not isfinite(value)]:
        return failed(f"{judge.name} gave NaN or infinity for {', '.join(wild[:5])}")
    return score
