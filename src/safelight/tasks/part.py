"""What files of benchmarks share: tables with known fields, and a sentence for each that is wrong."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from safelight.core.errors import nearest


class Part(BaseModel):
    """Base of the file's tables: no field that nobody reads, no silent conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def sentences(where: str, error: ValidationError, *parts: type[Part]) -> list[str]:
    """What is wrong with a file. `parts`: whose fields may have been meant."""
    known = {name for part in parts for name, field in part.model_fields.items() if not field.exclude}
    said = []
    for each in error.errors():
        place = ".".join(map(str, each["loc"]))
        if each["type"] == "extra_forbidden":
            said.append(f"unknown setting '{place}'. {nearest(str(each['loc'][-1]), known)}")
        elif each["type"] == "missing":
            said.append(f"it needs {place} = ...")
        else:
            said.append(f"{place} = {each['input']!r:.80}: {each['msg'].removeprefix('Value error, ')}")
    return [f"{where}: {sentence}" for sentence in said]
