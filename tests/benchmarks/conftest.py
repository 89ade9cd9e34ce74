"""The files of benchmarks/ are scripts, not a package: a test gets one by its name."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def script():
    def load(name):
        spec = spec_from_file_location(f"benchmarks.{name}", FOLDER / f"{name}.py")
        assert spec
        assert spec.loader
        module = module_from_spec(spec)
        sys.modules[spec.name] = module  # where dataclasses look for the names in annotations
        spec.loader.exec_module(module)
        return module

    return load
