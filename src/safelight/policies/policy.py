"""A policy file, checked as a whole: by itself when it is read, and against a model before anything runs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, isfinite
from pathlib import Path
from typing import Any, Protocol

from safelight import judges as registered
from safelight.core.compose import Composable, compose
from safelight.core.errors import BadInput, Refused, UnknownName, nearest
from safelight.core.method import Method
from safelight.core.nouns import Cap
from safelight.core.ports import Judge, Preset
from safelight.core.registry import get
from safelight.policies.check import READS, Check

SCHEMA = 1
KEYS = ("schema", "name", "keep_prompts", "method", "check")


class Model(Composable, Protocol):
    """What a policy must know of a generator: more than methods do, the judges made for its pictures."""

    @property
    def judges(self) -> Sequence[str]: ...


class _Any:
    """Stands for the model while a file is read: it offers everything."""

    name, family, caps = "any model", "", frozenset(Cap)


ANY = _Any()


@dataclass(frozen=True)
class BoundCheck:
    """A check with its judge at hand; `preset` holds the labels and the threshold that apply.

    content_hash: the judge's, now; with other weights later on it is another judge. second: the check by the
    judge that `escalate` names, if it does.
    """

    check: Check
    judge: Judge
    preset: Preset
    content_hash: str
    second: BoundCheck | None = None


@dataclass(frozen=True)
class Bound:
    """A policy that is known to run on a model."""

    policy: Policy
    methods: tuple[Method, ...]
    checks: tuple[BoundCheck, ...]
    asked: Mapping[str, tuple[Judge, Preset]] = field(default_factory=dict)
    """The judges that its methods ask, by the name that these give them."""


@dataclass(frozen=True)
class Policy:
    """Methods in the order they apply, and checks. The hard stop is no part of it: it always holds."""

    name: str
    methods: tuple[Mapping[str, Any], ...] = ()
    """Tables such as {"use": "sld", "preset": "max"}."""
    checks: tuple[Check, ...] = ()
    keep_prompts: bool = False
    """Whether a run's record holds the texts of its prompts, or only their hashes."""
    schema: int = SCHEMA

    @classmethod
    def load(cls, policy: str | Path) -> Policy:
        """The policy of this name, or in this file.

        Raises:
            UnknownName, BadInput: there is none.
            Refused: with every problem of the file.
        """
        text = str(policy)
        if not text.endswith(".toml"):
            return cls.read(get("policies", text).read_text(encoding="utf-8"))
        try:
            return cls.read(Path(text).expanduser().read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"the policy {text} cannot be read: {error}") from error

    @classmethod
    def read(cls, text: str) -> Policy:
        """A policy from TOML. Raises BadInput if it is no TOML, Refused with every problem of the content."""
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadInput(f"the policy is no valid TOML: {error}") from error
        problems = [f"unknown setting '{key}'. {nearest(key, KEYS)}" for key in table if key not in KEYS]
        if table.get("schema") != SCHEMA:
            problems.append(f"schema = {table.get('schema')!r}: this release reads schema = {SCHEMA}")
        if not isinstance(name := table.get("name"), str) or not name:
            problems.append('it needs a name: name = "..."')
        if not isinstance(keep := table.get("keep_prompts", False), bool):
            problems.append(f"keep_prompts = {keep!r:.80} must be true or false")
        methods = _tables(table, "method", problems)
        _try(lambda: compose(methods, ANY), problems)
        checks = [
            _try(lambda entry=entry: Check.of(entry), problems, f"check {k}: ")
            for k, entry in enumerate(_tables(table, "check", problems), 1)
        ]
        if problems:
            raise Refused(problems)
        return cls(str(name), tuple(methods), tuple(check for check in checks if check), keep)

    def bind(self, model: Model, judges: Mapping[str, Judge] | None = None) -> Bound:
        """The methods and judges that will run on a model; `judges` are objects of the caller's, by name.

        Judges are looked up here and not where the file is read: its names may be the caller's own.

        Raises:
            Refused: with every reason why this policy cannot run there.
        """
        problems: list[str] = []
        methods = _try(lambda: compose(self.methods, model), problems) or []
        bound = [
            _try(lambda check=check: _bind(check, model, judges or {}), problems, _where(k, check))
            for k, check in enumerate(self.checks, 1)
        ]
        asked = _try(lambda: asked_of(methods, model, judges or {}), problems) or {}
        if problems:
            raise Refused([f"policy '{self.name}': {problem}" for problem in problems])
        return Bound(self, tuple(methods), tuple(check for check in bound if check), asked)


def asked_of(
    methods: Sequence[Method], model: Model, own: Mapping[str, Judge]
) -> dict[str, tuple[Judge, Preset]]:
    """The judges that the methods ask. Raises Refused with every one that this model cannot have."""
    problems: list[str] = []
    found = {
        spec: _try(
            lambda spec=spec: registered.find(spec, model, own, "image"),
            problems,
            f"method '{method.name}': ",
        )
        for method in methods
        for spec in method.asks()
    }
    if problems:
        raise Refused(problems)
    return found


def _tables(table: Mapping[str, Any], key: str, problems: list[str]) -> list[dict[str, Any]]:
    """The entries of an array of tables."""
    entries = table.get(key, [])
    if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries):
        return entries
    problems.append(f"write [[{key}]] with double brackets: each {key} is one table of a list")
    return []


def _try(make: Any, problems: list[str], where: str = "") -> Any:
    """What `make` gives, or None with its complaints among the problems."""
    try:
        return make()
    except Refused as refused:
        problems += [where + problem for problem in refused.problems]
    except BadInput as error:
        problems.append(f"{where}{error}")
    return None


def _where(k: int, check: Check) -> str:
    return f"check {k} ({check.stage} stage, judge '{check.judge}'): "


def _bind(check: Check, model: Model, own: Mapping[str, Judge]) -> BoundCheck:
    judge, preset = registered.find(check.judge, model, own, READS[check.stage])
    return BoundCheck(
        check, judge, narrowed(check, judge, preset), judge.content_hash,
        _bind(check.second, model, own) if check.escalate else None,
    )  # fmt: skip


def narrowed(check: Check, judge: Judge, preset: Preset) -> Preset:
    """The judge's preset with what the check itself says of label and threshold."""
    if check.category:
        if check.category not in judge.labels:
            raise UnknownName(f"category of {judge.name}", check.category, judge.labels)
        preset = Preset((check.category,), preset.threshold)
    threshold = check.unsure[1] if check.unsure else check.threshold
    if threshold is not None:
        preset = replace(preset, threshold=threshold)
    low, high = judge.range if preset.fuse != "weighted" else (-inf, inf)
    if not (isfinite(preset.threshold) and low <= preset.threshold <= high):
        raise BadInput(
            f"the threshold {preset.threshold:g} is outside of the range of {judge.name}, {low:g} to {high:g}"
        )
    return preset
