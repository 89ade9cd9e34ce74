"""What a table's rows mean: their texts, what is wrong with them, and the methods they come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from safelight.core.compose import compose
from safelight.core.concepts import concept_texts
from safelight.core.errors import BadInput, Refused
from safelight.core.records import digest
from safelight.diffusion.generator import Generator
from safelight.policies import Policy
from safelight.policies.policy import ANY
from safelight.store.alone import alone
from safelight.tables.layout import Row
from safelight.trained.recipes import checked
from safelight.trained.session import Trained, demand, run_folder, train

TOWARDS = ("guide_concepts", "erase_from", "anchors")
"""Settings that name what a concept is turned into."""


def concept(row: Row, published: bool) -> str:
    """The text that a row goes by, and behind an arrow what it is turned into; empty for what has none."""
    if row.train is None:
        methods = compose(policy(row, {}).methods, ANY)
        return "; ".join(text for method in methods for text in _erased(vars(method)))
    settings = row.training(published)
    ends = [_listed(settings[key]) for key in TOWARDS if key in settings]
    return " → ".join(["; ".join(_erased(settings)), *ends])


def refuse(row: Row, model: Generator | None, published: bool) -> list[str]:
    """Every reason why a row cannot be made: those that its file tells, and with a model that model's too."""
    try:
        if row.train is None:
            untrained = policy(row, {})
            untrained.bind(model) if model else compose(untrained.methods, ANY)
        elif model is None:
            checked(row.train, row.training(published))
        else:
            demand(row.train, model, row.training(published))
    except Refused as refused:
        return [f"row '{row.name}': {problem}" for problem in refused.problems]
    except BadInput as error:
        return [f"row '{row.name}': {error}"]
    return []


def trained(
    row: Row, model: Generator, folder: Path, published: bool, progress: Callable[..., None]
) -> Trained:
    """The artifact of a row, made now or before: its file is called by all that decides it. Of several
    processes at one artifact the first makes it and the others wait.
    """
    method, settings = str(row.train), row.training(published)
    asked = digest([method, settings, model.content_hash])[:8]
    path = folder / f"{row.name}-{asked}.safetensors"
    with alone(run_folder(path) / "lock"):
        return train(method, model, path, progress=progress, **settings)


def policy(row: Row, made: Mapping[str, Trained]) -> Policy:
    """A row as a policy. `made`: what the trainings left, by row."""
    if row.policy is not None:
        return replace(Policy.load(row.policy), name=row.name)
    if row.train is None:
        return Policy(row.name, row.method)
    use = "uce-map" if row.settings.get("kind") == "map" else "weights"
    return Policy(row.name, ({"use": use, "file": str(made[row.name].path)},))


def _erased(settings: Mapping[str, Any]) -> tuple[str, ...]:
    return concept_texts(settings["concept"]) if "concept" in settings else settings.get("edit_concepts", ())


def _listed(texts: str | tuple[str, ...]) -> str:
    return texts if isinstance(texts, str) else "; ".join(dict.fromkeys(texts))
