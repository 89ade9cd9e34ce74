from __future__ import annotations

from dataclasses import dataclass

import pytest

from safelight.core.errors import UnknownName
from safelight.core.method import Method, hooks, needs
from safelight.core.nouns import Cap, Prompt


@dataclass(frozen=True)
class Gradient(Method):
    needs = frozenset({Cap.GRAD})
    presets = {"strong": {"scale": 2.0}}  # noqa: RUF012
    scale: float = 1.0

    def term(self, here, raw, state):
        return self.scale

    def prompt(self, p):
        return p, []


def test_hooks_say_what_a_method_needs():
    assert hooks(Gradient) == ("prompt", "term")
    assert needs(Gradient) == {Cap.GRAD, Cap.PROMPT, Cap.STEPS}
    assert hooks(Method) == ()


def test_the_name_is_the_files():
    assert Gradient.name == "test-method"


def test_presets_are_fields_that_can_be_overridden():
    assert Gradient.of() == Gradient(1.0)
    assert Gradient.of("strong") == Gradient(2.0)
    assert Gradient.of("strong", scale=3.0) == Gradient(3.0)
    with pytest.raises(UnknownName, match="Did you mean 'strong'"):
        Gradient.of("stronk")


def test_a_method_that_overrides_nothing_does_nothing():
    idle = Method()
    prompt = Prompt("a cat")
    with idle.edit(None) as nothing:  # pyright: ignore[reportArgumentType]
        assert nothing is None
    assert idle.prompt(prompt) == (prompt, [])
    assert (idle.rows(prompt), idle.check(1, 1.0), idle.active(0, 1)) == ({}, [], None)
    assert idle.report(None, 2) == [{"on": True}, {"on": True}]
