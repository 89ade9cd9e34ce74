"""The tutorial on plug-ins, step by step: its package is installed, found, composed, refused and run."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import safelight
from safelight import cli
from safelight.core import registry
from safelight.core.errors import Refused
from safelight.core.nouns import Outcome

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorials" / "plugin.md").read_text(encoding="utf-8")


def block(language, k=0):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[k]


def test_the_page_shows_the_whole_package():
    shown = set(re.findall(r'^--8<-- "(.+)"$', PAGE, re.MULTILINE))
    package = ROOT / "tests" / "plugin_package"
    files = {path.relative_to(package).as_posix() for path in package.rglob("*.*") if path.is_file()}
    assert shown == {name for name in files if not name.endswith("__init__.py")}


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory):
    """The package in a folder of its own at the front of the path, as an installation would put it."""
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    pip += ["--no-build-isolation", "--disable-pip-version-check", "--target", str(site)]
    source = tmp_path_factory.mktemp("source")  # building leaves files beside the sources
    for path in (ROOT / "tests" / "plugin_package").rglob("*.*"):
        if path.is_file() and path.suffix in (".py", ".toml"):
            copy = source / path.relative_to(ROOT / "tests" / "plugin_package")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    subprocess.run([*pip, str(source)], check=True)
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    registry._plugins.cache_clear()
    yield
    sys.path.remove(str(site))
    registry._plugins.cache_clear()


def test_both_are_found_by_name(capsys):
    assert "toward" in registry.names("methods")
    assert cli.run(["judges", "--json"]) == 0
    assert '"redness"' in capsys.readouterr().out


def test_its_policy_runs_on_the_miniature_beside_a_method_of_safelight():
    policy = safelight.Policy.read(block(" toml"))
    text = "a photo of a body"
    plain = safelight.generate(text, policy="research", n=4).pictures
    dressed = safelight.generate(text, policy=policy, n=4).pictures
    for before, after in zip(plain, dressed, strict=True):
        assert after.reports["toward"]["on"]
        assert after.decisions[-1].judge == "redness@1"
        assert (after.image is None) == (after.outcome is Outcome.BLOCK)
        assert after.image is None or (np.asarray(after.image) != np.asarray(before.image)).any()


def test_its_mistakes_are_refused_in_the_words_of_the_page():
    with pytest.raises(Refused) as refused:
        safelight.Policy.read(block(" toml", 1))
    assert "\n".join(refused.value.problems) == block("text").strip()


def test_its_own_test_passes():
    exec(compile(block("", -1), "plugin.md", "exec", dont_inherit=True), {})
