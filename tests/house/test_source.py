"""What no source file does, and how long a file may be."""

from __future__ import annotations

import ast
import importlib.util
import re

LEAVES = ("methods", "attacks", "audits", "metrics", "judges")


def test_leaf_files_can_be_read_in_five_minutes(modules):
    lengths = {module.name: module.text.count("\n") for module in modules if module.inside(*LEAVES)}
    assert {name: n for name, n in lengths.items() if n > 220} == {}


def test_nothing_is_pickled(modules):
    picklers = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
    strays = [
        f"{module.name}: {what}"
        for module in modules
        for what in sorted(module.imports | module.calls)
        if what.split(".")[0] in picklers or what in ("torch.load", "torch.save") or "allow_pickle" in what
    ]
    assert strays == []
    assert [module.name for module in modules if "allow_pickle=True" in module.text] == []


def test_torchvision_is_neither_imported_nor_installed(modules):
    assert [
        module.name for module in modules if any(n.split(".")[0] == "torchvision" for n in module.imports)
    ] == []
    assert importlib.util.find_spec("torchvision") is None


def test_every_module_says_what_it_is_for(modules):
    silent = [module.name for module in modules if module.text.strip() and not ast.get_docstring(module.tree)]
    assert silent == []


def test_no_address_of_a_machine_or_of_a_package_registry(texts):
    machine = re.compile(r"""(?:^|[\s"'`=(:])/(?:work|root|home|Users|opt)/""", re.MULTILINE)
    registry = re.compile(
        r"pypi\.(?:org|io)|pythonhosted\.|download\.pytorch\.|registry\.npmjs|deb\.debian\."
    )
    found = [
        f"{name}: {match[0].strip()}"
        for name, text in texts.items()
        for match in (*machine.finditer(text), *registry.finditer(text))
    ]
    assert found == []
