"""Pages that stand alone: one look, pictures inside as data, no script, nothing fetched."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image


def render(template: Path, filters: dict[str, Callable[..., Any]], **values: Any) -> str:
    """The HTML document of a template that extends base.html.j2. Everything in `values` is escaped."""
    environment = Environment(
        loader=FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(template.name).render(values)


def uri(image: Image.Image) -> str:
    """A picture as a data URI, PNG."""
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
