"""Settings written as texts, `key=value`, by the types of what they set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from safelight.core.errors import BadInput
from safelight.core.valid import one_of


def parse(what: str, texts: Sequence[str], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of `what` from texts such as "lr=1e-5" or "concept=nudity; blood": several values are parted
    by `;`. kinds: the type of every setting there is.

    Raises:
        UnknownName: there is no such setting, or a word is none of those it takes.
        BadInput: a text is no key=value, comes twice, or is not of the setting's type.
    """
    settings: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise BadInput(f"'{text}' is no setting: write key=value")
        one_of(f"setting of {what}", name, kinds)
        if name in settings:
            raise BadInput(f"{name} is set twice: part several values by ';'")
        settings[name] = _value(name, value, kinds[name])
    return settings


def _value(name: str, text: str, kind: Any) -> Any:
    options = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if type(None) in options and text.lower() == "none":
        return None
    for option in options:
        if get_origin(option) is Literal:
            one_of(name, text, get_args(option))
    several = any(get_origin(option) is tuple for option in options) and (";" in text or str not in options)
    given = [part.strip() for part in text.split(";") if part.strip()] if several else text
    try:
        return TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        raise BadInput(f"{name}: '{text}' cannot be used ({error.errors()[0]['msg']})") from error
