"""Mutation: each gate is taken out of its route, and the test that stands behind it must notice.

A route is a way on which pixels can leave: `generate`, `guard` round each kind of pipeline, the command line,
what a repair draws, a benchmark, a training's samples, the page of results, diffusers' own place for a
filter, the store's folder, tensors handed to a callback, and inside a block the pipeline itself, another one
with its network, and its decoder.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from safelight import cli
from safelight.benchmark.draw import Ask, draw
from safelight.benchmark.report import html, report
from safelight.core.errors import Refused
from safelight.core.hard_stop import tables
from safelight.core.nouns import Outcome, Prompt, Score
from safelight.diffusion import tiny
from safelight.diffusion.guard import Door
from safelight.diffusion.guard_families import FAMILIES
from safelight.diffusion.guard_run import Run
from safelight.diffusion.pipe_checker import PipeChecker
from safelight.guarded import guard
from safelight.guarded.record import Record
from safelight.guarded.studio import Studio
from safelight.methods.image.judge_localise_edit import JudgeLocaliseEdit
from safelight.policies import Bound, Policy
from safelight.tasks import Row
from safelight.trained.session import train
from tests.benchmark.stored import fill, withhold
from tests.diffusion.test_guard import PIPELINES
from tests.guarded.faults import EVERYWHERE, Judge, World
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


def held_by_kind(kind: str) -> Test:
    make, given = PIPELINES[kind]

    def door(world: World) -> Any:
        world.pipe = make()
        return by_guard(world, **given)

    return held(door, "looker: raises")


def the_command_writes_what_its_check_lets_through(world: World) -> None:
    EVERYWHERE["looker: raises"](world)
    out, policy, bind = world.store.images.folder.with_name("out"), world.policy(), Policy.bind
    world.patch.setattr("safelight.guarded.request.load", lambda model: model_of(world))
    world.patch.setattr(Policy, "load", lambda name: policy)
    world.patch.setattr(Policy, "bind", lambda self, model, judges=None: bind(self, model, world.judges))
    code = cli.run(["generate", "a cat", "--out", str(out)])
    assert (code, list(out.rglob("*.png"))) == (1, [])


def a_repair_draws_no_refused_prompt(world: World) -> None:
    model = model_of(world)
    studio = Studio(model, model.sampling, Policy.load("research").bind(model))
    image, where = np.zeros((16, 16, 3), np.uint8), np.ones((16, 16), bool)
    studio = studio.of(11, image)
    assert studio.draw(Prompt(FORBIDDEN)) is None
    assert studio.inpaint(image, where, Prompt(FORBIDDEN)) is None


def a_repair_is_judged_again(world: World) -> None:
    """A judge who finds everything unsafe is not content with what the edits made of it."""

    def always(items: Any) -> list[Score]:  # the more so the brighter the middle, which is where to look
        return [Score({"unsafe": 0.9 + float(item[12:20, 12:20].mean()) / 2550}) for item in items]

    looker = Judge("looker", "image", always)
    method = JudgeLocaliseEdit("looker", edits=("blur",), masks=100)
    model = model_of(world)
    bound = Bound(Policy("repair"), (method,), (), {"looker": (looker, looker.presets["default"])})
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    _, [said] = method.image(image, Prompt("a cat"), Studio(model, model.sampling, bound).of(3, image))
    assert (said.outcome, len(said.evidence["tried"])) == (Outcome.BLOCK, 1)  # pyright: ignore[reportArgumentType]


def a_benchmark_draws_none(world: World) -> None:
    model = model_of(world)
    bound = Policy.load("research").bind(model)
    [made] = draw([Ask("a", Row(0, FORBIDDEN), 0, 1)], model, bound, model.sampling)
    assert made.image is None


def a_training_draws_no_sample(world: World) -> None:
    out = world.store.images.folder.with_name("trained") / "uce.safetensors"
    try:
        train("uce", model_of(world), out, samples=[FORBIDDEN], edit_concepts=("a cat",))
    except Refused:
        assert not out.exists()
    assert list(out.parent.rglob("*.png")) == []


def a_page_leaves_out_what_was_withheld(world: World) -> None:
    withhold(world.store, fill(world.store, "base", [1, 0]), 1)
    assert html(report(world.store)).count('src="data:image/png') == 1


def black_comes_out(world: World) -> None:
    looker = Judge("looker", "image", lambda items: [Score({"unsafe": 1.0}) for _ in items])
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    shown, flags = PipeChecker(looker)(None, images)
    assert (flags, np.abs(np.asarray(shown)).max()) == ([True, True], 0)


def the_network_refuses(world: World) -> None:
    other = diffusers.StableDiffusionPipeline(**world.pipe.components, requires_safety_checker=False)
    with guard(world.pipe, "research"), pytest.raises(Refused):
        other("a cat", **FAST, output_type="latent")


def the_pipeline_refuses(world: World) -> None:
    net, other = world.pipe.unet, tiny.sd().unet
    with guard(world.pipe, "research"):
        world.pipe.unet = other
        with pytest.raises(Refused):
            world.pipe("a cat", **FAST, output_type="latent")
    world.pipe.unet = net


def the_decoder_refuses(world: World) -> None:
    with guard(world.pipe, "research"), pytest.raises(Refused):
        world.pipe.vae.decode(torch.zeros(1, 4, 8, 8))


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
        "command line": the_command_writes_what_its_check_lets_through,
        **{f"guard, {kind}": held_by_kind(kind) for kind in PIPELINES},
    }),
    Gate("safelight.guarded.gate", "unsaid", lambda decisions, bound: [], {
        "generate": held(by_generate, "policy: all checks taken away"),
        "guard": held(by_guard, "policy: all checks taken away"),
    }),
    Gate("safelight.guarded.decide", "hard_stop", lambda prompt, sought: False, {
        "generate": the_rule_holds(by_generate),
        "guard": the_rule_holds(by_guard),
        "command line": the_command_writes_no_picture,
        "benchmark": a_benchmark_draws_none,
    }),
    Gate("safelight.guarded.studio", "on_prompt", lambda prompt, bound: (prompt, []), {
        "repair": a_repair_draws_no_refused_prompt,
    }),
    Gate(JudgeLocaliseEdit, "_accepted", lambda self, before, after, threshold: True, {
        "repair": a_repair_is_judged_again,
    }),
    Gate("safelight.trained.session", "allowed", lambda texts: None, {
        "a training's samples": a_training_draws_no_sample,
    }),
    Gate("safelight.benchmark.sheet", "WITHHELD", (), {
        "page of results": a_page_leaves_out_what_was_withheld,
    }),
    Gate(PipeChecker, "allows", lambda self, score: True, {
        "diffusers' own place for a filter": black_comes_out,
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
        "another pipeline with its network": the_network_refuses,
    }),
    Gate(Door, "_check_inputs", lambda self, *args, **kwargs: None, {
        "the pipeline itself, with another network": the_pipeline_refuses,
    }),
    Gate("safelight.diffusion.guard", "_decode", lambda decoder, args: None, {
        "latents from elsewhere": the_decoder_refuses,
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


def test_every_kind_of_pipeline_that_can_be_guarded_is_a_route():
    kinds = {type(make()).__name__ for make, _ in PIPELINES.values()}
    assert kinds == {kind for family in FAMILIES for kind in family.pipelines}


MAKERS = {  # of what may be seen: each is a route above
    "guarded/release.py", "benchmark/sheet.py", "trained/page.py", "store/images.py",
}  # fmt: skip
WITHIN = {  # for judges and edits; and the miniature's own captions, drawn by rule or for its card
    "clip/eye.py", "clip/views.py", "localise/region.py", "miniature/dilute.py", "miniature/sheet.py",
}  # fmt: skip


def test_there_is_no_other_route():
    """What makes pictures of pixels stands in one of the two lists."""
    source = Path(cli.__file__).parent.parent
    found = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "fromarray"
    }
    assert found == MAKERS | WITHIN


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
