"""What every method file has: an explanation, a paper, a test of its own, and a default that composes."""

from __future__ import annotations

import ast
from dataclasses import fields

import pytest

from safelight.core.compose import compose
from safelight.core.method import Method
from safelight.core.registry import get
from safelight.diffusion import tiny
from safelight.diffusion.load import load

SECTIONS = ("Idea", "Equations", "Differs")


@pytest.fixture(scope="module")
def files(modules):
    """Method files by method name."""
    found = [module for module in modules if module.inside("methods") and module.path.name != "__init__.py"]
    assert found
    return {module.path.stem.replace("_", "-"): module for module in found}


def test_file_names_are_unique_across_folders(modules, files):
    assert len(files) == sum(m.inside("methods") and m.path.name != "__init__.py" for m in modules)


def test_docstrings_tell_idea_equations_and_differences_in_this_order(files):
    unexplained = {}
    for name, module in files.items():
        classes = [node for node in module.tree.body if isinstance(node, ast.ClassDef)]
        text = "\n".join(ast.get_docstring(node) or "" for node in (module.tree, *classes))
        places = [text.find(section) for section in SECTIONS]
        if -1 in places or places != sorted(places):
            unexplained[name] = dict(zip(SECTIONS, places, strict=True))
    assert unexplained == {}


def test_each_file_holds_one_final_frozen_dataclass_with_its_paper(files):
    for name, module in files.items():
        cls = get("methods", name)
        here = [
            value for value in vars(load_module(module.name)).values() if is_method_of(value, module.name)
        ]
        assert here == [cls], f"{module.name} holds {here}"
        assert getattr(cls, "__dataclass_params__", None), f"{name} is no dataclass"
        assert cls.__dataclass_params__.frozen, f"{name} is not frozen"
        assert getattr(cls, "__final__", False), f"{name} is not marked final"
        assert cls.paper, f"{name} names no paper"


def test_each_method_has_a_test_of_the_same_name(root, files):
    tests = {path.name for path in (root / "tests" / "methods").rglob("test_*.py")}
    assert {f"test_{module.path.stem}.py" for module in files.values()} - tests == set()


def test_defaults_and_presets_compose_on_a_tiny_model(files):
    model = load(tiny.sd())
    for name in files:
        cls = get("methods", name)
        for preset in (None, *cls.presets):
            entry = {"use": name} if preset is None else {"use": name, "preset": preset}
            [method] = compose([entry], model)
            wanted = cls.presets[preset] if preset else {}
            assert {f.name: getattr(method, f.name) for f in fields(cls)}.items() >= wanted.items()


def load_module(name):
    from importlib import import_module

    return import_module(name)


def is_method_of(value, module):
    return isinstance(value, type) and issubclass(value, Method) and value.__module__ == module
