"""A list of TOML tables to a list of methods, or every problem at once, before anything is allocated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Protocol, get_type_hints

from pydantic import TypeAdapter, ValidationError

from safelight.core.errors import BadInput, Refused, nearest
from safelight.core.method import Method, needs
from safelight.core.nouns import Cap, Prompt
from safelight.core.registry import get


class Composable(Protocol):
    """What `compose` must know of a generator."""

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def caps(self) -> frozenset[Cap]: ...


def compose(entries: Sequence[Mapping[str, Any]], generator: Composable) -> list[Method]:
    """Methods from `{"use": name, "preset": ..., field: value, ...}`, in order, checked against `generator`.

    Raises:
        Refused: with every problem of every entry.
    """
    methods: list[Method] = []
    problems: list[str] = []
    for k, entry in enumerate(entries, 1):
        where = f"method {k} ('{entry.get('use', '?')}')"
        try:
            methods.append(_method(entry, generator))
        except Refused as refused:
            problems += [f"{where}: {problem}" for problem in refused.problems]
        except BadInput as error:
            problems.append(f"{where}: {error}")
    problems += exclusive(methods)
    if problems:
        raise Refused(problems)
    return methods


def exclusive(methods: Sequence[Method]) -> list[str]:
    """The problems of methods with one another: several want to be the unconditional row, or one takes its
    direction from that row to the very text that another has put there, a direction of zero."""
    rows = [method.rows(Prompt("")) for method in methods]
    owners = [k for k, own in enumerate(rows) if "uncond" in own]
    if len(owners) > 1:
        names = " and ".join(f"'{methods[k].name}'" for k in owners)
        return [f"{names} set the unconditional row; keep one of them"]
    return [
        f"'{methods[k].name}' and '{methods[owner].name}' name the same text {text!r:.60}: from the "
        "unconditional row that holds it there is no direction to it; give them different concepts"
        for owner in owners
        for k, own in enumerate(rows)
        for name, text in own.items()
        if name != "uncond" and isinstance(text, str) and text == rows[owner]["uncond"]
    ]


def refusals(cls: type[Method], generator: Composable) -> list[str]:
    """Why a generator cannot run a method."""
    problems = [
        f"it needs {cap.name} ({cap.value}), which '{generator.name}' does not offer"
        for cap in sorted(needs(cls) - generator.caps, key=lambda cap: cap.name)
    ]
    if cls.families and generator.family not in cls.families:
        wanted = ", ".join(sorted(cls.families))
        problems.append(f"it works with the families {wanted}; '{generator.name}' is {generator.family}")
    return problems


def _method(entry: Mapping[str, Any], generator: Composable) -> Method:
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    name = settings.pop("use", None)
    if not isinstance(name, str):
        raise BadInput('it needs a name: use = "..."')
    cls = get("methods", name)
    problems = refusals(cls, generator) + _fields(cls, settings)
    if problems:
        raise Refused(problems)
    return cls.of(**settings)


def _fields(cls: type[Method], settings: Mapping[str, Any]) -> list[str]:
    """Unknown settings and settings of the wrong type. Ranges are the class's own business."""
    known = {field.name for field in fields(cls)} | {"preset"}  # pyright: ignore[reportArgumentType]
    hints = get_type_hints(cls) | {"preset": str}
    problems = [f"unknown setting '{key}'. {nearest(key, known)}" for key in settings if key not in known]
    for key in known & settings.keys():
        try:
            TypeAdapter(hints[key]).validate_python(settings[key], strict=True)
        except ValidationError as error:
            said = "; or ".join(dict.fromkeys(e["msg"] for e in error.errors()))
            problems.append(f"'{key}' = {settings[key]!r:.80}: {said}")
    return problems
