"""Names to things: `methods/guidance/negative_prompt.py` holds `negative-prompt`.

Groups of code (methods, judges, metrics, ...) are Python files whose class or function is called like the
file (`NegativePrompt`, `fid`, `FID`: case and underscores do not count); third parties add to them by entry
points `safelight.methods` and so on. Groups of data (tasks, policies, tables) are TOML files. Listing names
imports nothing.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from safelight.core.errors import BadInput, UnknownName

ROOT = Path(__file__).parent.parent
DATA = frozenset({"tasks", "policies", "tables"})
"""Groups whose members are TOML files; `get` gives their path."""


def names(group: str) -> list[str]:
    """Every name in a group, ours and the plug-ins'."""
    return sorted(_files(group).keys() | _plugins(group).keys())


def get(group: str, name: str) -> Any:
    """The class or function called `name`; for a group of data the path of its file.

    Raises:
        UnknownName: nobody registered it.
        BadInput: a plug-in did, and does not load.
    """
    files = _files(group)
    if name in files:
        return files[name] if group in DATA else _member(files[name])
    if name not in (plugins := _plugins(group)):
        raise UnknownName(group.removesuffix("s") if group != "policies" else "policy", name, names(group))
    try:
        return plugins[name].load()
    except Exception as error:  # whatever a stranger's import raises
        value = plugins[name].value
        raise BadInput(
            f"the plug-in '{name}' ({value}) does not load: {error!r}; fix or remove it"
        ) from error


def load_all(group: str) -> dict[str, Any]:
    """Every member that loads, by name; a broken plug-in is left out with a warning."""
    found = {}
    for name in names(group):
        try:
            found[name] = get(group, name)
        except BadInput as error:
            warnings.warn(str(error), stacklevel=2)
    return found


@cache
def _files(group: str) -> dict[str, Path]:
    suffix = ".toml" if group in DATA else ".py"
    paths = (ROOT / group).rglob(f"*{suffix}")
    return {path.stem.replace("_", "-"): path for path in sorted(paths) if not path.stem.startswith("_")}


@cache
def _plugins(group: str) -> dict[str, EntryPoint]:
    found = {point.name: point for point in entry_points(group=f"safelight.{group}")}
    for name in found.keys() & _files(group).keys():
        ours = f"safelight has its own '{name}'"
        warnings.warn(f"the plug-in {found.pop(name).value} is ignored: {ours}", stacklevel=3)
    return found


def _member(path: Path) -> Any:
    """The public object of a module that is called like its file."""
    module = import_module(".".join(["safelight", *path.relative_to(ROOT).with_suffix("").parts]))
    wanted = path.stem.replace("_", "")
    return next(value for key, value in vars(module).items() if key.replace("_", "").lower() == wanted)
