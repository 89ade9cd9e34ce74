"""A live pipeline under a policy: what leaves it, with which decisions, and what it refuses to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

import safelight
from safelight.core.errors import BadInput, Refused
from safelight.core.method import Method
from safelight.core.nouns import Decision, Outcome, Prompt
from safelight.diffusion import tiny
from safelight.guarded import guard
from safelight.guarded.decide import stopped
from safelight.methods.guidance.negative_prompt import NegativePrompt
from safelight.methods.guidance.sld import SLD
from safelight.policies import Policy

RESEARCH = Policy.load("research")
MAX = SLD.of("max", concept="nudity")
FAST = {"num_inference_steps": 4, "guidance_scale": 5.0}
PICTURE = Image.new("RGB", (16, 16), (200, 60, 20))
STOPPED = "a text that the rule refuses"


@pytest.fixture
def pipe():
    return tiny.sd()


@pytest.fixture
def stop(monkeypatch):
    """The rule refuses one text; its own terms stay in its own files."""
    monkeypatch.setattr(
        "safelight.guarded.decide.hard_stop", lambda p, sought: STOPPED in (p.text, p.negative)
    )


def only(result):
    [picture] = result.pictures
    return picture


@pytest.mark.parametrize("make", [tiny.sd, tiny.sdxl])
@pytest.mark.parametrize("methods", [[], [MAX], [NegativePrompt("blood"), MAX]], ids=len)
def test_the_same_pictures_as_generate(make, methods):
    """Same seeds, same noise, same methods: the two doors make the same pictures."""
    pipe = make()
    prompts, n = [Prompt("a cat", "rain"), Prompt("a dog on a boat")], 2
    with guard(pipe, methods=methods) as guarded:
        there = guarded(prompts, num_images_per_prompt=n, seed=3, **FAST)
    model = safelight.load(pipe)
    seeds = [picture.seed for picture in there.pictures]
    asked = [prompt for prompt in prompts for _ in range(n)]
    sampling = replace(model.sampling, steps=4, guidance=5.0)
    for mine, theirs in zip(model.run(asked, seeds, methods, sampling), there.pictures, strict=True):
        assert np.array_equal(np.asarray(mine.image), np.asarray(theirs.image))
        assert mine.reports == theirs.reports
    assert [(p.row, p.k) for p in there.pictures] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_what_a_check_reaches_is_withheld_for_its_picture_alone(pipe, policy, judge):
    with guard(pipe, RESEARCH) as guarded:
        plain = guarded(["a cat", "a dog"], num_images_per_prompt=2, **FAST)
    values = sorted(np.asarray(p.image)[..., 0].mean() / 255 for p in plain.pictures)
    between = f"threshold = {(values[1] + values[2]) / 2}\n"
    with guard(pipe, policy(more=between), judges={"brightness": judge}) as guarded:
        result = guarded(["a cat", "a dog"], num_images_per_prompt=2, **FAST)
    for before, after in zip(plain.pictures, result.pictures, strict=True):
        bright = np.asarray(before.image)[..., 0].mean() / 255 > (values[1] + values[2]) / 2
        assert after.outcome == ("block" if bright else "allow")
        assert (after.image is None) == bright
        assert [d.hook for d in after.decisions] == ["rule", "check"]
        assert {d.sample for d in after.decisions} == {after.sample}
    assert sum(p.image is None for p in result.pictures) == 2


def test_a_judge_that_fails_blocks(pipe, policy, judge):
    def broken(items):
        raise RuntimeError("out of order")

    broken_judge: Any = type("Broken", (type(judge),), {"__call__": lambda self, items: broken(items)})()
    with guard(pipe, policy(), judges={"brightness": broken_judge}) as guarded:
        picture = only(guarded("a cat", **FAST))
    assert (picture.outcome, picture.image, picture.decisions[-1].status) == ("block", None, "failed")


def test_the_hard_stop_holds_and_the_neighbours_keep_their_noise(pipe, stop):
    with guard(pipe, RESEARCH) as guarded:
        alone = guarded(["a cat", "a dog"], **FAST).pictures[1]
        refused, neighbour = guarded([STOPPED, "a dog"], **FAST).pictures
        negative = only(guarded("a cat", negative_prompt=STOPPED, **FAST))
    assert (refused.outcome, refused.image, refused.reports) == ("block", None, {})
    assert stopped(refused.decisions)
    assert (negative.outcome, negative.image) == ("block", None)
    assert np.array_equal(np.asarray(neighbour.image), np.asarray(alone.image))


def test_a_refused_prompt_is_never_encoded_and_alone_never_sampled(pipe, stop, monkeypatch):
    read, encode = [], type(pipe).encode_prompt
    monkeypatch.setattr(
        type(pipe),
        "encode_prompt",
        lambda self, prompt, *a, **k: read.append(prompt) or encode(self, prompt, *a, **k),
    )
    with guard(pipe, RESEARCH) as guarded:
        guarded([STOPPED, "a dog"], **FAST)
        assert read == [["a dog", "a dog"]]
        guarded(STOPPED, **FAST)
    assert len(read) == 1


def test_a_negative_prompt_of_the_user_stands_behind_the_methods(pipe, monkeypatch):
    seen, encode = [], type(pipe).encode_prompt
    monkeypatch.setattr(
        type(pipe),
        "encode_prompt",
        lambda self, p, d, n, g, negative, **k: (
            seen.append(negative) or encode(self, p, d, n, g, negative, **k)
        ),
    )
    with guard(pipe, methods=[NegativePrompt("blood")]) as guarded:
        guarded(["a cat", "a dog"], negative_prompt=["rain", "snow"], **FAST)
    assert seen == [["blood, rain", "blood, snow"]]


@final
@dataclass(frozen=True)
class Rewrites(Method):
    name = "rewrites"

    def prompt(self, p):
        said = Decision("", "prompt", "prompt", self.name, Outcome.REWRITE, "shorter")
        return Prompt("a cat", p.negative), [said]


@final
@dataclass(frozen=True)
class Repairs(Method):
    """Makes the picture again, from another seed, by safelight's own loop."""

    name = "repairs"

    def image(self, image, p, ctx):
        return ctx.draw(p, k=1), [Decision("", "image", "image", self.name, Outcome.REPAIR, "again")]


def test_prompt_and_image_hooks_wrap_the_call(pipe):
    with guard(pipe, methods=[Rewrites()]) as guarded:
        picture = only(guarded("a very long story about a cat", **FAST))
        plain = only(guarded("a cat", **FAST))
    assert picture.outcome == "rewrite"
    assert picture.prompt.text == "a very long story about a cat"
    assert np.array_equal(np.asarray(picture.image), np.asarray(plain.image))
    with guard(pipe, methods=[Repairs()]) as guarded:
        repaired = only(guarded("a cat", **FAST))
    assert repaired.outcome == "repair"
    assert not np.array_equal(np.asarray(repaired.image), np.asarray(plain.image))


def test_pictures_that_are_not_finite_are_blocked_one_by_one(pipe, monkeypatch):
    decode = pipe.vae.decode

    def first_is_nan(latents, **kwargs):
        (images,) = decode(latents, **kwargs)
        return (torch.cat([torch.full_like(images[:1], float("nan")), images[1:]]),)

    monkeypatch.setattr(pipe.vae, "decode", first_is_nan)
    with guard(pipe, RESEARCH) as guarded:
        pictures = guarded("a cat", num_images_per_prompt=2, **FAST).pictures
    assert [(p.outcome, p.image is None) for p in pictures] == [("block", True), ("allow", False)]
    assert "not finite" in pictures[0].decisions[-1].reason


def test_what_the_pipelines_own_safety_checker_flags_is_blocked(pipe, monkeypatch):
    monkeypatch.setattr(type(pipe), "run_safety_checker", lambda self, image, *rest: (image, [False, True]))
    with guard(pipe, RESEARCH) as guarded:
        pictures = guarded(["a cat", "a dog"], **FAST).pictures
    assert [(p.outcome, p.image is None) for p in pictures] == [("allow", False), ("block", True)]
    assert pictures[1].decisions[-1].method == "safety-checker"


def test_every_row_is_written_before_release_and_what_cannot_be_is_blocked(pipe, store, monkeypatch):
    with guard(pipe, RESEARCH, store=store) as guarded:
        pictures = guarded(["a cat", "a dog"], num_images_per_prompt=2, **FAST).pictures
        [run] = store.runs()
        assert (run.status, '"command":"guard"' in run.config_json) == ("done", True)
        assert {s.id for s in store.samples(run.id)} == {p.sample for p in pictures}
        assert len(store.decisions(run.id)) == 4

        def full(*rows):
            raise OSError("no space left on device")

        monkeypatch.setattr(store, "add", full)
        picture = only(guarded("a cat", **FAST))
    assert (picture.outcome, picture.image) == ("block", None)


MASK = {"image": PICTURE, "mask_image": PICTURE.convert("L")}


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (diffusers.StableDiffusionImg2ImgPipeline, {"image": PICTURE, "strength": 0.75}),
        (diffusers.StableDiffusionInpaintPipeline, MASK),
        (diffusers.StableDiffusionInpaintPipeline, {**MASK, "padding_mask_crop": 2}),
        (diffusers.StableDiffusionXLImg2ImgPipeline, {"image": PICTURE, "strength": 0.75}),
        (diffusers.StableDiffusionXLInpaintPipeline, MASK),
    ],
)
def test_pipelines_that_start_from_a_picture(kind, given, policy, judge):
    xl = "XL" in kind.__name__
    parts = tiny.sdxl().components if xl else tiny.sd().components | {"requires_safety_checker": False}
    pipe = kind(**parts)
    size = {} if "strength" in given else {"height": 16, "width": 16}
    more = '[[method]]\nuse = "sld"\npreset = "max"\nconcept = "nudity"\n'
    with guard(pipe, policy(more=more), judges={"brightness": judge}) as guarded:
        pictures = guarded(["a cat", "a dog"], **given, **size, **FAST).pictures
    assert [p.image is None for p in pictures] == [p.outcome == "block" for p in pictures]
    assert all(p.reports["sld"]["on"] for p in pictures)
    assert len(judge.seen) == 2


def test_a_generator_of_the_callers_gives_what_the_plain_pipeline_gives(pipe):
    rng = lambda seed: torch.Generator().manual_seed(seed)  # noqa: E731
    plain = pipe("a cat", generator=rng(5), **FAST).images[0]
    with guard(pipe, RESEARCH) as guarded:
        picture = only(guarded("a cat", generator=rng(5), **FAST))
        assert guarded(["a cat", "a dog"], generator=[rng(5), rng(6)], **FAST).pictures[1].seed == 6
        with pytest.raises(BadInput, match="1 generators for 2 pictures"):
            guarded(["a cat", "a dog"], generator=rng(5), **FAST)
    assert (picture.seed, np.array_equal(np.asarray(picture.image), np.asarray(plain))) == (5, True)


def test_callbacks_follow_and_see_no_tensor(pipe, policy, judge):
    seen = []
    with guard(pipe, policy(), judges={"brightness": judge}) as guarded:
        guarded("a cat", callback_on_step_end=lambda pipe, i, t, kw: seen.append((i, dict(kw))) or {}, **FAST)
    assert seen == [(i, {}) for i in range(4)]
    assert len(judge.seen) == 1


@pytest.mark.parametrize(("last", "shown"), [(1, False), (3, True)])
def test_an_interrupted_run_leaves_noise_and_no_picture(pipe, last, shown):
    def stop(pipe, i, t, tensors):
        pipe._interrupt = i == last
        return {}

    with guard(pipe, RESEARCH) as guarded:
        picture = only(guarded("a cat", callback_on_step_end=stop, **FAST))
    assert (picture.image is not None, picture.outcome == "allow") == (shown, shown)
    assert shown or "interrupted" in picture.decisions[-1].reason


def test_a_negative_prompt_without_guidance_is_refused_before_the_first_step(pipe):
    steps = []
    settings: dict[str, Any] = {**FAST, "callback_on_step_end": lambda pipe, i, t, kw: steps.append(i) or {}}
    with guard(pipe, RESEARCH) as guarded:
        for scale in (1.0, 0.5):
            settings["guidance_scale"] = scale
            with pytest.raises(Refused, match=f"guidance_scale = {scale}: a negative prompt acts only with"):
                guarded("a cat", negative_prompt="rain", **settings)
        assert steps == []
        assert only(guarded("a cat", **settings)).image is not None


def test_wrong_arguments(pipe):
    with guard(pipe, RESEARCH) as guarded:
        unusable: list[Any] = ["", [], 3, None, ["a cat", " "]]
        for wrong in unusable:
            with pytest.raises(BadInput, match="prompt"):
                guarded(wrong, **FAST)
        with pytest.raises(BadInput, match="num_images_per_prompt must be"):
            guarded("a cat", num_images_per_prompt=0, **FAST)
        with pytest.raises(BadInput, match="2 negative prompts for 1 prompts"):
            guarded("a cat", negative_prompt=["a", "b"], **FAST)
        with pytest.raises(BadInput, match="exclude each other"):
            guarded(Prompt("a cat", "rain"), negative_prompt="snow", **FAST)
    with pytest.raises(BadInput, match="policy and methods exclude each other"):
        guard(pipe, "research", methods=[MAX])
    with pytest.raises(Refused, match="unconditional row"):
        guard(pipe, methods=[NegativePrompt("a"), NegativePrompt("b")])
    with pytest.raises(Refused, match="Pass a judge of your own in Python"):
        guard(pipe)
    with pytest.raises(BadInput, match="FluxPipeline cannot be guarded: its guidance is not known"):
        guard(tiny.flux(), RESEARCH)


def test_outside_of_the_block_it_makes_nothing(pipe):
    guarded = guard(pipe, RESEARCH)
    with pytest.raises(Refused, match="inside of its block"):
        guarded("a cat", **FAST)
    with guarded, pytest.raises(Refused, match="this network is guarded"):
        pipe("a cat", **FAST)
    with guarded:
        guarded("a cat", **FAST)
    with pytest.raises(Refused, match="inside of its block"):
        guarded("a cat", **FAST)
