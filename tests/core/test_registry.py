from __future__ import annotations

import sys

import pytest

from safelight.core import registry
from safelight.core.errors import BadInput, UnknownName
from safelight.core.method import Method


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """plugin({"name": "module:Thing"}) installs a package with these methods; its module is `third_party`."""

    def install(points):
        info = tmp_path / "third_party-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {value}" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[safelight.methods]\n{lines}\n")
        (tmp_path / "third_party.py").write_text("class Mine: ...\n")
        monkeypatch.syspath_prepend(tmp_path)
        registry._plugins.cache_clear()

    yield install
    registry._plugins.cache_clear()
    sys.modules.pop("third_party", None)


def test_a_files_name_is_the_methods_name():
    assert {"sld", "negative-prompt"} <= set(registry.names("methods"))
    for name in registry.names("methods"):
        cls = registry.get("methods", name)
        assert issubclass(cls, Method)
        assert cls.name == name


def test_unknown_names_are_guessed():
    with pytest.raises(
        UnknownName, match=r"unknown method 'negative-promt'\. Did you mean 'negative-prompt'"
    ):
        registry.get("methods", "negative-promt")


def test_data_is_found_as_files(tmp_path, monkeypatch):
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "very_strict.toml").write_text("")
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    registry._files.cache_clear()
    try:
        assert registry.get("policies", "very-strict").name == "very_strict.toml"
        with pytest.raises(UnknownName, match="unknown policy 'lax'"):
            registry.get("policies", "lax")
    finally:
        registry._files.cache_clear()


def test_plugins_are_found(plugin):
    plugin({"mine": "third_party:Mine"})
    assert "mine" in registry.names("methods")
    assert "third_party" not in sys.modules, "listing must not import"
    assert registry.get("methods", "mine").__name__ == "Mine"


def test_a_broken_plugin_warns_and_stops_nobody_else(plugin):
    plugin({"broken": "third_party:Nothing", "mine": "third_party:Mine"})
    with pytest.raises(BadInput, match=r"plug-in 'broken'.*does not load"):
        registry.get("methods", "broken")
    with pytest.warns(UserWarning, match="plug-in 'broken'"):
        found = registry.load_all("methods")
    assert {"mine", "sld"} <= found.keys()
    assert "broken" not in found


def test_a_plugin_cannot_take_the_place_of_ours(plugin):
    plugin({"sld": "third_party:Mine"})
    with pytest.warns(UserWarning, match="safelight has its own 'sld'"):
        assert registry.names("methods").count("sld") == 1
    assert registry.get("methods", "sld").__name__ == "SLD"
