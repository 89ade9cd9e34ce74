"""The methods that `train` knows, and their settings.

Settings are the fields of the method's own class and, where it learns in steps, of `Plan`. They are read off
these classes, so a field that is added there can be set here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, replace
from typing import Any, Literal, get_type_hints

from safelight.core.errors import BadInput
from safelight.core.settings import parse as read
from safelight.core.valid import one_of
from safelight.training import ca, guardt2i, sdd
from safelight.training.ca import CA
from safelight.training.debias import Debias
from safelight.training.esd import ESD
from safelight.training.fit import Plan
from safelight.training.guardt2i import GuardT2I
from safelight.training.sdd import SDD
from safelight.training.sdd_anchored import AnchoredSDD
from safelight.training.uce import UCE

METHODS: Mapping[str, type] = {
    "ca": CA, "esd": ESD, "guardt2i": GuardT2I, "sdd": SDD, "sdd-anchored": AnchoredSDD, "uce": UCE,
    "uce-debias": Debias,
}  # fmt: skip
Learned = CA | ESD | SDD | GuardT2I
"""What is trained by steps."""
EDITS = ("uce", "uce-debias")
"""What is made by a closed form, without a `Plan`."""
MADE = {"model", "latents"}
"""Fields that are made here and not set by anybody."""
OWN: Mapping[str, dict[str, Any]] = {
    "ca": {"anchors": str | tuple[str, ...], "pictures": int},
    **{name: {"kind": Literal["weights", "map"], "preserve": str} for name in EDITS},
}
"""Settings of `train` itself. anchors: texts, a file with one a line, or a task. pictures: how many are drawn
of the anchors in turn, by default one of each. kind: new weights, or one matrix for the method `uce-map`.
preserve: texts that join `preserve_concepts`: "miniature" for every plain word of its world, or a file (.txt)
with one a line."""


def kinds(method: str) -> dict[str, Any]:
    """The type of every setting of a method, its own first. Raises UnknownName."""
    one_of("training", method, METHODS)
    cls = METHODS[method]
    found = {name: kind for name, kind in _hints(cls).items() if name not in MADE}
    return found | OWN.get(method, {}) | ({} if method in EDITS else _hints(Plan))


def checked(method: str, settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the method and of the plan, apart.

    Raises:
        UnknownName: there is no such method or setting.
        BadInput: one is missing, or one of the plan is out of range.
    """
    known = kinds(method)
    for name in settings:
        one_of(f"setting of {method}", name, known)
    needed = [field.name for field in fields(METHODS[method]) if field.default is MISSING]
    if missing := [name for name in needed if name in known and name not in settings]:
        raise BadInput(f"{method} needs {missing[0]}; its settings are {', '.join(known)}")
    planned = {} if method in EDITS else _hints(Plan)  # uce-debias has steps and a seed of its own
    plan = {name: value for name, value in settings.items() if name in planned}
    replace(Plan(1, 1.0), **plan)
    return {name: value for name, value in settings.items() if name not in plan}, plan


def published(objective: Learned) -> Plan:
    """How long and how fast the method's authors trained."""
    if isinstance(objective, ESD):
        return objective.how.plan
    if isinstance(objective, GuardT2I):
        return guardt2i.PLAN
    return ca.PLANS[objective.concept_type] if isinstance(objective, CA) else sdd.PLAN


def parse(method: str, texts: Sequence[str]) -> dict[str, Any]:
    """Settings from texts such as "lr=1e-5" or "concept=nudity; blood": several values are parted by `;`.

    Raises:
        UnknownName: there is no such method or setting, or a word is none of those it takes.
        BadInput: a text is no key=value, comes twice, or is not of the setting's type.
    """
    return read(method, texts, kinds(method))


def spelled(value: Any) -> str:
    """The text that `parse` reads as this value."""
    if isinstance(value, tuple | list):
        return ";".join(map(spelled, value))
    return "none" if value is None else str(value)


def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}
