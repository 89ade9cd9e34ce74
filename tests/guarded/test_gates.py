"""Mutation: each gate is taken out of its route, and the test that stands behind it must notice.

A route is a way on which pixels can leave: `generate`, `guard`, the command line, the store's folder, the
pipeline itself inside its block, and tensors handed to a callback.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from safelight import cli
from safelight.core.errors import Refused
from safelight.core.hard_stop import tables
from safelight.core.nouns import Outcome
from safelight.diffusion.guard import Door
from safelight.diffusion.guard_run import Run
from safelight.guarded import guard
from safelight.guarded.record import Record
from tests.guarded.faults import EVERYWHERE, World
from tests.guarded.test_faults import FAST, by_generate, by_guard, model_of, nothing_leaves

FORBIDDEN = f"{tables()['minor'][0]} {tables()['sexual'][0]}"
Test = Callable[[World], None]


def held(door: Callable[[World], Any], fault: str) -> Test:
    """`test_nothing_leaves` of test_faults.py."""

    def test(world: World) -> None:
        EVERYWHERE[fault](world)
        nothing_leaves(door, world)

    return test


def the_rule_holds(door: Callable[[World, str], Any]) -> Test:
    def test(world: World) -> None:
        assert [picture.image for picture in door(world, FORBIDDEN).pictures] == [None] * 2

    return test


def the_command_writes_no_picture(world: World) -> None:
    out = world.store.images.folder.with_name("out")
    world.patch.setattr("safelight.guarded.request.load", lambda model: model_of(world))
    code = cli.run(["generate", FORBIDDEN, "--policy", "research", "--out", str(out)])
    assert (code, list(out.rglob("*.png"))) == (1, [])


def the_pipeline_refuses(world: World) -> None:
    with guard(world.pipe, "research"), pytest.raises(Refused):
        world.pipe("a cat", **FAST)


def no_callback_sees_a_tensor(world: World) -> None:
    seen = []
    asks = {
        "callback_on_step_end": lambda pipe, i, t, tensors: seen.extend(tensors) or {},
        "callback_on_step_end_tensor_inputs": ["latents"],
    }
    with guard(world.pipe, "research") as guarded, pytest.raises(Refused):
        guarded("a cat", **FAST, **asks)
    assert seen == []


def an_interrupted_run_is_blocked(world: World) -> None:
    def stop(pipe: Any, i: int, t: Any, tensors: Any) -> dict[str, Any]:
        pipe._interrupt = i == 0
        return {}

    with guard(world.pipe, "research") as guarded:
        [picture] = guarded("a cat", callback_on_step_end=stop, **FAST).pictures
    assert picture.image is None


def _open(pixels: Any, decisions: Any, bound: Any) -> Any:
    return None if pixels is None else Image.fromarray(pixels), Outcome.ALLOW, tuple(decisions)


def _keeps_all(sample: Any) -> Any:
    return lambda self, picture, made, block: sample(
        self, replace(picture, outcome=Outcome.REVIEW), made, block
    )


@dataclass(frozen=True)
class Gate:
    """`owner.name`, what stands in its place when it is deleted, and the tests that must notice."""

    owner: Any
    name: str
    deleted: Any
    tests: dict[str, Test]


GATES = [
    Gate("safelight.guarded.stages", "gate", _open, {
        "generate": held(by_generate, "looker: raises"),
        "guard": held(by_guard, "looker: raises"),
    }),
    Gate("safelight.guarded.gate", "unsaid", lambda decisions, bound: [], {
        "generate": held(by_generate, "policy: all checks taken away"),
        "guard": held(by_guard, "policy: all checks taken away"),
    }),
    Gate("safelight.guarded.decide", "hard_stop", lambda prompt, sought: False, {
        "generate": the_rule_holds(by_generate),
        "guard": the_rule_holds(by_guard),
        "command line": the_command_writes_no_picture,
    }),
    Gate(Record, "release", lambda self, pictures, pixels, block: list(pictures), {
        "generate, disk full": held(by_generate, "store: disk full"),
        "guard, disk full": held(by_guard, "store: disk full"),
        "generate, no rows": held(by_generate, "looker: raises"),
        "guard, no rows": held(by_guard, "looker: raises"),
    }),
    Gate(Record, "_sample", _keeps_all(Record._sample), {
        "the store's folder": held(by_generate, "looker: raises"),
    }),
    Gate(Door, "_ask", lambda self, net, args, kwargs: (args, kwargs), {
        "the pipeline itself": the_pipeline_refuses,
    }),
    Gate("safelight.guarded.arguments", "settings", lambda pipe, given: dict(given), {
        "a callback": no_callback_sees_a_tensor,
    }),
    Gate(Run, "whole", property(lambda self: True), {
        "guard, interrupted": an_interrupted_run_is_blocked,
    }),
]  # fmt: skip
CASES = [
    pytest.param(gate, test, id=f"{gate.name}: {route}")
    for gate in GATES
    for route, test in gate.tests.items()
]


@pytest.mark.parametrize(("gate", "test"), CASES)
def test_the_gate_holds(world, gate, test):
    test(world)


@pytest.mark.parametrize(("gate", "test"), CASES)
def test_without_the_gate_its_test_fails(world, gate, test):
    where = f"{gate.owner}.{gate.name}" if isinstance(gate.owner, str) else None
    if where:
        world.patch.setattr(where, gate.deleted)
    else:
        world.patch.setattr(gate.owner, gate.name, gate.deleted)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test(world)


def test_every_picture_that_a_user_gets_passes_the_gate():
    """`shown` turns pixels into a user's picture; the gate calls it, and besides it the demo's page."""
    source = Path(cli.__file__).parent.parent
    users = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and "shown" in {alias.name for alias in node.names}
    }
    assert users == {"guarded/gate.py", "demo/collect.py"}
