"""What the house rules look at: the package's modules as syntax trees, and the repository's text files."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "safelight"


@dataclass(frozen=True)
class Module:
    """One source file of the package."""

    name: str  # "safelight.core.method"; a package's __init__ has the package's name
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def imports(self) -> set[str]:
        """Full names of what is imported, inside functions too; `from a import b` gives "a" and "a.b"."""
        names: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
                names.update(f"{node.module}.{alias.name}" for alias in node.names)
        return names

    @cached_property
    def calls(self) -> set[str]:
        """What is called, as written: "print", "torch.load", "path.write_text"."""
        return {ast.unparse(node.func) for node in ast.walk(self.tree) if isinstance(node, ast.Call)}

    def inside(self, *packages: str) -> bool:
        """Whether the module is one of these, named without "safelight.", or lies in one."""
        return any(f"{self.name}.".startswith(f"safelight.{package}.") for package in packages)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def modules() -> list[Module]:
    """Every Python file of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, path, path.read_text(encoding="utf-8")))
    assert found, f"no source under {PACKAGE}"
    return found


@pytest.fixture(scope="session")
def texts() -> dict[str, str]:
    """Every text file of the repository that git tracks or would track, by its path from the root."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = {}
    for name in listing.stdout.split("\0"):
        path = ROOT / name
        if not name or not path.is_file():
            continue
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            found[name] = data.decode("utf-8")
    assert "README.md" in found
    return found
