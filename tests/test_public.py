"""The public names: few, lazy, and where they say they are."""

from __future__ import annotations

import subprocess
import sys

import pytest

import safelight


@pytest.mark.parametrize("name", safelight.__all__)
def test_every_public_name_is_there(name):
    assert getattr(safelight, name)
    assert name in dir(safelight)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'generat'"):
        safelight.generat  # noqa: B018 # pyright: ignore[reportAttributeAccessIssue]


def test_importing_safelight_loads_no_large_library():
    code = (
        "import sys, safelight; print(*{'torch', 'diffusers', 'PIL', 'numpy', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
