"""MkDocs hook: one page for every method, made from its source file, and their entries in the navigation."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PACKAGE = Path(__file__).parents[1] / "src" / "safelight"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages before the navigation is built."""
    addresses = []
    for path in sorted((PACKAGE / "methods").rglob("[!_]*.py")):
        name = path.stem.replace("_", "-")
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        page = f'# {name}\n\nIn a policy: `[[method]]` with `use = "{name}"`.\n\n::: {module}\n'
        files.append(File.generated(config, f"methods/{name}.md", content=page))
        addresses.append(f"methods/{name}.md")
    assert config.nav
    config.nav.append({"Methods": addresses})
    return files
