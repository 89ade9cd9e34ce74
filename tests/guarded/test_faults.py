"""Fail closed: whatever part of a request breaks, no picture leaves by either door, and a row says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from threading import Event
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from safelight.core.errors import SafelightError
from safelight.core.method import Method
from safelight.core.nouns import WITHHELD, Score
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.guarded import Result, generate, guard
from safelight.guarded.timed import within
from safelight.policies import Policy
from tests.guarded.faults import EVERYWHERE, LIVE, World, fine, plugin, raises

N = 2
FAST = {"num_inference_steps": 2, "guidance_scale": 5.0}


def model_of(world: World) -> Generator:
    model = load(world.pipe)
    model.sampling = replace(model.sampling, steps=2, guidance=5.0, block=N)
    return model


def by_generate(world: World, prompt: str = "a cat") -> Result:
    return generate(prompt, model_of(world), world.policy(), n=N, judges=world.judges, store=world.store)


def by_guard(world: World, prompt: str = "a cat", **given: Any) -> Result:
    with guard(world.pipe, world.policy(), judges=world.judges, store=world.store) as guarded:
        return guarded(prompt, num_images_per_prompt=N, **FAST | given)


DOORS: dict[str, Callable[[World], Result]] = {"generate": by_generate, "guard": by_guard}


def nothing_leaves(door: Callable[[World], Result], world: World) -> None:
    """Asserts that no picture comes out or is kept, and that each has a row that withholds it."""
    try:
        pictures = door(world).pictures
    except Exception:  # a fault may end the request
        pictures = []
    assert [picture.sample for picture in pictures if picture.image is not None] == []
    if not world.writable:
        return
    assert list(world.store.images.folder.rglob("*.png")) == []
    runs = world.store.runs()
    assert len(runs) == 1
    [run] = runs
    samples = world.store.samples(run.id)
    assert len(samples) == N
    assert {sample.image_hash for sample in samples} == {None}
    held = [decision for decision in world.store.decisions(run.id) if decision.outcome in WITHHELD]
    assert {decision.sample for decision in held} == {sample.id for sample in samples}
    assert {decision.status for decision in held} == {"failed"}
    assert all(decision.reason for decision in held)


@pytest.mark.parametrize("door", DOORS)
def test_without_a_fault_every_picture_leaves(world, door):
    """Or the tests below would prove nothing."""
    pictures = DOORS[door](world).pictures
    assert [(p.outcome, p.image is not None) for p in pictures] == [("allow", True)] * N
    [run] = world.store.runs()
    assert all(sample.image_hash for sample in world.store.samples(run.id))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, on NaN
@pytest.mark.parametrize(
    ("door", "fault"),
    [*((door, fault) for fault in EVERYWHERE for door in DOORS), *(("guard", fault) for fault in LIVE)],
)
def test_nothing_leaves(world, door, fault):
    (EVERYWHERE | LIVE)[fault](world)
    nothing_leaves(DOORS[door], world)


def test_there_are_enough_faults_and_some_of_each_hook():
    assert len(EVERYWHERE) + len(LIVE) >= 50
    hooks = {name for name, part in vars(Method).items() if callable(part) or isinstance(part, property)}
    before = {"check", "asks", "contents"}  # a request, or a benchmark's run
    broken = {fault.partition(":")[0] for fault in EVERYWHERE}
    assert {hook for hook in hooks - before if not hook.startswith("_")} <= broken


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("where", ["looker", "term", "image"])
def test_ctrl_c_stays_one_and_nothing_leaves(world, door, where):
    if where == "looker":
        world.looker.answer = raises(KeyboardInterrupt())
    else:
        plugin(**{where: raises(KeyboardInterrupt())})(world)
    with pytest.raises(KeyboardInterrupt):
        DOORS[door](world)
    assert list(world.store.images.folder.rglob("*.png")) == []
    assert [run.status for run in world.store.runs()] == []


@pytest.mark.parametrize("damage", [b"", b"\x00" * 64, None], ids=["empty", "zeros", "missing"])
def test_a_model_that_is_damaged_is_never_sampled(tmp_path, store, world, damage):
    world.pipe.save_pretrained(tmp_path / "model")
    weights = tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    weights.unlink() if damage is None else weights.write_bytes(damage)
    with pytest.raises((SafelightError, OSError)):
        generate("a cat", str(tmp_path / "model"), "research", store=store)
    assert store.runs() == []


def test_a_judge_cannot_change_what_the_next_one_sees_or_the_user_gets(world):
    seen = []

    def paints(items):
        for item in items:
            seen.append(item.copy())
            item[:] = 0
        return fine(items)

    world.looker.answer = paints
    pictures = by_generate(world).pictures
    assert all(np.array_equal(before, np.asarray(p.image)) for before, p in zip(seen, pictures, strict=True))


def test_a_method_that_keeps_its_array_cannot_change_it_after_the_checks(world):
    kept = []

    class Keeps(Method):
        name = "keeps"

        def image(self, image, p, ctx):
            kept.append(image)
            return image, []

    def later(items):
        for image in kept:
            image[:] = 0
        return fine(items)

    world.methods, world.looker.answer = (Keeps(),), later
    assert all(np.asarray(picture.image).any() for picture in by_generate(world).pictures)


def test_one_picture_that_fails_does_not_hold_back_its_neighbour(world):
    world.looker.answer = lambda items: [Score(None, "failed", "blurred"), *fine(items[1:])]
    for door in DOORS.values():
        assert [p.image is None for p in door(world).pictures] == [True, False]


def test_late_answers_are_failures_and_nobody_waits_for_them():
    begun, gate = perf_counter(), Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        within(0.05, lambda: gate.wait(30))
    assert perf_counter() - begun < 10
    gate.set()
    assert within(30, lambda: "in time") == "in time"
    with pytest.raises(TimeoutError, match="its own"):
        within(30, raises(TimeoutError("its own")))


def test_what_could_not_be_written_is_told_in_a_row_that_can(world):
    EVERYWHERE["store: no room for pictures"](world)
    by_generate(world)
    [run] = world.store.runs()
    assert [(d.hook, d.method) for d in world.store.decisions(run.id)] == [("record", "store")] * N
    assert run.status == "done"


def test_a_request_that_ends_with_an_error_is_a_failed_run(world):
    EVERYWHERE["network: out of memory"](world)
    for door in DOORS.values():
        with pytest.raises(RuntimeError, match="out of memory"):
            door(world)
    assert [run.status for run in world.store.runs()] == ["failed"] * 2
    assert json.loads(world.store.runs()[0].config_json)["prompts"] == 1


def test_a_policy_file_that_is_gone_starts_nothing(tmp_path, store, tiny_model):
    with pytest.raises(SafelightError, match="cannot be read"):
        generate("a cat", tiny_model, tmp_path / "gone.toml", store=store)
    assert store.runs() == []
    assert Policy.load("research").checks == ()
