"""Parts that break: each blocks its pictures, or sends them to review if the policy says so, on record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from safelight.core.errors import Refused
from safelight.core.method import Method
from safelight.core.nouns import Outcome, Score
from safelight.core.ports import Preset
from safelight.guarded import generate
from safelight.policies import Policy
from tests.guarded.conftest import Brightness

RESEARCH = Policy.load("research")
NAN = float("nan")


def fails(items):
    raise RuntimeError("the judge is out of order")


BROKEN = {
    "raises": fails,
    "says it failed": lambda items: [Score(None, "failed", "no picture there") for _ in items],
    "says it failed and guesses": lambda items: [
        Score({"dark": 1.0, "bright": 0.0}, "failed", "half of it is missing") for _ in items
    ],
    "skips without a word": lambda items: [Score(None) for _ in items],
    "NaN": lambda items: [Score({"dark": 0.0, "bright": NAN}) for _ in items],
    "infinity": lambda items: [Score({"dark": 0.0, "bright": -float("inf")}) for _ in items],
    "too few scores": lambda items: [Score({"dark": 1.0, "bright": 0.0})] * (len(items) - 1),
    "too many scores": lambda items: [Score({"dark": 1.0, "bright": 0.0})] * (len(items) + 1),
    "no scores": lambda items: [],
    "another label": lambda items: [Score({"dark": 0.0, "brigth": 0.0}) for _ in items],
    "out of range": lambda items: [Score({"dark": 0.0, "bright": -3.0}) for _ in items],
    "no list": lambda items: None,
    "bare numbers": lambda items: [0.0 for _ in items],
    "texts": lambda items: [Score({"dark": "0", "bright": "0"}) for _ in items],  # pyright: ignore[reportArgumentType]
}


class Broken(Brightness):
    """The judge `brightness` with another call."""

    def __init__(self, call):
        super().__init__()
        self.call = call

    def __call__(self, items):
        return self.call(items)


@pytest.mark.parametrize("on_error", ["block", "review"])
@pytest.mark.parametrize("call", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_judge_never_lets_a_picture_out(tiny_model, policy, store, call, on_error):
    judges = {"brightness": Broken(call)}
    pictures = generate(
        "a cat", tiny_model, policy(on_error=on_error), n=2, steps=1, judges=judges, store=store
    ).pictures
    assert [(p.outcome, p.image) for p in pictures] == [(on_error, None)] * 2
    [run] = store.runs()
    written = [d for d in store.decisions(run.id) if d.hook == "check"]
    assert [(d.outcome, d.status, d.score) for d in written] == [(on_error, "failed", None)] * 2
    assert all(d.reason for d in written)


def test_a_judge_that_fails_on_one_picture_blocks_that_one(tiny_model, policy):
    def one(items):
        return [
            Score({"dark": 1.0, "bright": 0.0}),
            *(Score(None, "failed", "unreadable") for _ in items[1:]),
        ]

    pictures = generate("a cat", tiny_model, policy(), n=2, judges={"brightness": Broken(one)}).pictures
    assert [p.outcome for p in pictures] == ["allow", "block"]
    assert pictures[1].decisions[-1].reason == "unreadable"


def test_ctrl_c_inside_a_judge_is_not_swallowed(tiny_model, policy, store):
    def interrupted(items):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate("a cat", tiny_model, policy(), judges={"brightness": Broken(interrupted)}, store=store)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"presets": {"default": Preset(("bright",), NAN)}}, "threshold nan"),
        ({"presets": {"default": Preset(("bright",), 7.0)}}, "threshold 7 is outside .*, 0 to 1"),
        ({"presets": {}}, "unknown preset of brightness 'default'"),
    ],
    ids=str,
)  # fmt: skip
def test_a_threshold_that_nothing_could_reach_is_refused(tiny_model, policy, judge, change, said):
    with pytest.raises(Refused, match=said):
        generate("a cat", tiny_model, policy(), judges={"brightness": replace(judge, **change)})


@pytest.mark.parametrize(
    "preset",
    [
        Preset(("brigth",), 0.5),
        Preset((), 0.5),
        Preset(("bright",), 0.5, "k-of-n", k=3),
        Preset(("bright", "dark"), 0.9, "k-of-n", k=0),
        Preset(("bright", "dark"), 0.9, "al"),  # pyright: ignore[reportArgumentType]
        Preset(("bright",), 0.5, "weighted", weights=(NAN,)),
        Preset(("bright", "dark"), 0.5, "weighted", weights=(1.0,)),
    ],
    ids=repr,
)
def test_a_preset_that_makes_no_sense_blocks(tiny_model, policy, judge, preset):
    judge.presets = {"default": preset}
    [picture] = generate("a cat", tiny_model, policy(), judges={"brightness": judge}).pictures
    assert (picture.outcome, picture.decisions[-1].status) == (Outcome.BLOCK, "failed")


def test_something_that_is_no_judge_is_refused(tiny_model, policy):
    with pytest.raises(Refused, match="the judge 'brightness' has no name, version"):
        generate("a cat", tiny_model, policy(), judges={"brightness": len})  # pyright: ignore[reportArgumentType]


class Breaks(Method):
    """A method whose hook gives back whatever it is told to, or raises it."""

    name = "breaks"

    def __init__(self, text=None, picture=None):
        self.text, self.picture = text, picture

    def prompt(self, p):
        if self.text:
            raise self.text
        return p, []

    def image(self, image, p, ctx):
        if isinstance(self.picture, Exception):
            raise self.picture
        return (image if self.picture is None else self.picture), []


@pytest.mark.parametrize(
    "method",
    [
        Breaks(text=ValueError("no")),
        Breaks(picture=ValueError("no")),
        Breaks(picture=np.full((16, 16, 3), NAN)),
        Breaks(picture=np.zeros((16, 16), np.uint8)),
        Breaks(picture=np.zeros((16, 16, 4), np.uint8)),
        Breaks(picture="a picture"),
    ],
    ids=["prompt hook", "image hook", "NaN", "grey", "four channels", "text"],
)
def test_a_broken_method_blocks(tiny_model, monkeypatch, store, method):
    bind = Policy.bind
    monkeypatch.setattr(Policy, "bind", lambda *a, **k: replace(bind(*a, **k), methods=(method,)))
    [picture] = generate("a cat", tiny_model, RESEARCH, store=store).pictures
    assert (picture.outcome, picture.image) == (Outcome.BLOCK, None)
    [run] = store.runs()
    assert [d.status for d in store.decisions(run.id)] == ["ok", "failed"]


def test_a_picture_of_nan_blocks_and_its_neighbour_does_not(tiny_model, monkeypatch, store):
    decode = tiny_model.backbone.decode

    def first_is_nan(latents):
        images = decode(latents)
        return torch.cat([torch.full_like(images[:1], NAN), images[1:]])

    monkeypatch.setattr(tiny_model.backbone, "decode", first_is_nan)
    pictures = generate("a cat", tiny_model, RESEARCH, n=2, store=store).pictures
    assert [(p.outcome, p.image is None) for p in pictures] == [("block", True), ("allow", False)]
    [run] = store.runs()
    assert [s.status for s in store.samples(run.id)] == ["failed", "ok"]
    assert "not finite" in pictures[0].decisions[-1].reason


def test_what_cannot_be_recorded_is_not_released(tiny_model, store, monkeypatch):
    def full(*rows):
        raise OSError("no space left on device")

    monkeypatch.setattr(store, "add", full)
    pictures = generate("a cat", tiny_model, RESEARCH, n=3, store=store).pictures
    assert [(p.outcome, p.image) for p in pictures] == [("block", None)] * 3
    assert "could not be written: no space left" in pictures[0].decisions[-1].reason
    assert store.runs() == []


def test_a_store_that_breaks_and_recovers_loses_only_what_it_could_not_write(tiny_model, store, monkeypatch):
    add, calls = store.add, []

    def once_broken(*rows):
        calls.append(rows)
        if len(calls) == 1:
            raise OSError("no space left on device")
        return add(*rows)

    monkeypatch.setattr(store, "add", once_broken)
    pictures = generate("a cat", tiny_model, RESEARCH, n=4, store=store).pictures  # blocks of two
    assert [p.outcome for p in pictures] == ["block", "block", "allow", "allow"]
    [run] = store.runs()
    assert [s.status for s in store.samples(run.id)] == ["failed", "failed", "ok", "ok"]
    assert [d.method for d in store.decisions(run.id)] == ["store", "store", "hard-stop", "hard-stop"]


def test_pictures_that_cannot_be_kept_are_not_released(tiny_model, store, monkeypatch):
    def full(pixels):
        raise OSError("no space left on device")

    monkeypatch.setattr(store.images, "put", full)
    [picture] = generate("a cat", tiny_model, RESEARCH, store=store).pictures
    assert (picture.outcome, picture.image) == (Outcome.BLOCK, None)


def test_a_damaged_database_blocks(tiny_model, tmp_path, store):
    store.close()
    (tmp_path / "runs.db").write_bytes(b"no database any more")
    [picture] = generate("a cat", tiny_model, RESEARCH, store=store).pictures
    assert (picture.outcome, picture.image) == (Outcome.BLOCK, None)
