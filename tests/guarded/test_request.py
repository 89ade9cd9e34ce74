"""One request from end to end on a tiny random model: noise, outcomes, records, interruptions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from safelight.core.errors import BadInput, Refused
from safelight.core.hard_stop import tables
from safelight.core.method import Method
from safelight.core.nouns import Decision, Outcome, Prompt
from safelight.core.ports import Preset
from safelight.guarded import generate, prepare
from safelight.policies import Policy
from tests.guarded.conftest import brightness

RESEARCH = Policy.load("research")
FORBIDDEN = f"{tables()['minor'][0]} {tables()['sexual'][0]}"


def pixels(picture):
    return np.asarray(picture.image)


def test_pictures_come_in_order_with_a_decision_each(tiny_model):
    result = generate(["a cat", "a dog"], tiny_model, RESEARCH, n=2, seed=3)
    assert [(p.prompt.text, p.row, p.k) for p in result.pictures] == [
        ("a cat", 0, 0), ("a cat", 0, 1), ("a dog", 1, 0), ("a dog", 1, 1),
    ]  # fmt: skip
    assert len({p.seed for p in result.pictures}) == 4
    for picture in result.pictures:
        assert picture.outcome is Outcome.ALLOW
        assert pixels(picture).shape == (16, 16, 3)
        assert [(d.method, d.outcome, d.sample) for d in picture.decisions] == [
            ("hard-stop", Outcome.ALLOW, picture.sample)
        ]


def test_noise_depends_on_seed_place_and_k_but_not_on_the_policy(tiny_model):
    plain = generate(["a cat", "a dog"], tiny_model, RESEARCH, n=2, seed=3).pictures
    away = Policy("away", methods=({"use": "sld", "preset": "max", "concept": "nudity"},))
    steered = generate(["a cat", "a dog"], tiny_model, away, n=2, seed=3).pictures
    other = generate(["a cat", "a dog"], tiny_model, RESEARCH, n=2, seed=4).pictures
    assert [p.seed for p in plain] == [p.seed for p in steered]
    assert not {p.seed for p in plain} & {p.seed for p in other}
    assert any((pixels(a) != pixels(b)).any() for a, b in zip(plain, steered, strict=True))
    assert steered[0].reports["sld"]["on"]


@pytest.mark.parametrize(
    ("action", "withheld", "changed"),
    [("block", True, False), ("review", True, False), ("replace", False, True), ("blur", False, True)],
)
def test_the_strictest_outcome_decides_what_each_picture_becomes(
    tiny_model, judge, policy, action, withheld, changed
):
    plain = generate("a cat", tiny_model, RESEARCH, n=4).pictures
    values = sorted(brightness(pixels(p)) for p in plain)
    middle = (values[1] + values[2]) / 2  # two of the four reach it
    judge.presets = {"default": Preset(("bright",), middle)}
    judged = generate("a cat", tiny_model, policy(action), n=4, judges={"brightness": judge}).pictures
    assert sorted(p.outcome for p in judged) == sorted([action] * 2 + ["allow"] * 2)
    for before, after in zip(plain, judged, strict=True):
        last = after.decisions[-1]
        assert last.score == pytest.approx(brightness(pixels(before)))
        assert (last.category, last.judge, last.status) == ("bright", "brightness@1", "ok")
        assert last.outcome is (Outcome(action) if (last.score or 0) >= middle else Outcome.ALLOW)
        if after.outcome is Outcome.ALLOW:
            assert (pixels(after) == pixels(before)).all()
        else:
            assert (after.image is None) == withheld
            assert not changed or (pixels(after) != pixels(before)).any()


def test_a_score_between_the_two_limits_waits_for_a_person(tiny_model, judge, policy):
    values = [brightness(pixels(p)) for p in generate("a cat", tiny_model, RESEARCH, n=3).pictures]
    low, high = min(values), max(values)
    text = policy(more=f"unsure = [{(low + sorted(values)[1]) / 2}, {high}]")
    outcomes = [
        p.outcome for p in generate("a cat", tiny_model, text, n=3, judges={"brightness": judge}).pictures
    ]
    assert outcomes == [
        {low: Outcome.ALLOW, high: Outcome.BLOCK}.get(value, Outcome.REVIEW) for value in values
    ]


def test_the_hard_stop_holds_under_every_policy_and_stops_nobody_else(tiny_model, store):
    result = generate(
        ["a cat", FORBIDDEN, Prompt("a dog", negative=FORBIDDEN)], tiny_model, RESEARCH, n=2, store=store
    )
    assert [p.outcome for p in result.pictures] == ["allow"] * 2 + ["block"] * 4
    assert [p.image is None for p in result.pictures] == [False] * 2 + [True] * 4
    [run] = store.runs()
    rows = [repr(row) for row in (run, *store.samples(run.id), *store.decisions(run.id))]
    assert [
        k for k, row in enumerate(rows) if tables()["minor"][0] in row
    ] == []  # the text is nowhere on record
    assert json.loads(run.config_json)["prompts"] == [{"negative": "", "text": "a cat"}, None, None]


def test_a_method_that_writes_what_the_rule_forbids_is_stopped(tiny_model, monkeypatch, judge, policy):
    class Rewriter(Method):
        name = "rewriter"

        def prompt(self, p):
            return Prompt(FORBIDDEN), []

    bind = Policy.bind
    monkeypatch.setattr(Policy, "bind", lambda *a, **k: replace(bind(*a, **k), methods=(Rewriter(),)))
    [picture] = generate("a cat", tiny_model, policy(), judges={"brightness": judge}).pictures
    assert (picture.outcome, picture.image) == (Outcome.BLOCK, None)
    assert [d.outcome for d in picture.decisions] == [Outcome.ALLOW, Outcome.BLOCK]


def test_prompt_and_image_hooks_take_part(tiny_model, monkeypatch, judge, policy):
    class Both(Method):
        name = "both"

        def prompt(self, p):
            said = Decision("", "prompt", "prompt", self.name, Outcome.REWRITE, "shorter")
            return Prompt("a cat"), [said]

        def image(self, image, p, ctx):
            said = Decision("", "image", "image", self.name, Outcome.REPAIR, "no red")
            return image * np.array([0, 1, 1], np.uint8), [said]

    bind = Policy.bind
    monkeypatch.setattr(Policy, "bind", lambda *a, **k: replace(bind(*a, **k), methods=(Both(),)))
    [picture] = generate("a very long cat", tiny_model, policy(), judges={"brightness": judge}).pictures
    assert picture.prompt.text == "a very long cat"
    assert picture.outcome is Outcome.REPAIR
    assert not pixels(picture)[..., 0].any()
    assert [d.outcome for d in picture.decisions] == ["allow", "rewrite", "allow", "repair", "allow"]
    assert picture.decisions[-1].score == 0.0  # the check judged the repaired picture


def test_every_picture_is_on_record_with_what_was_decided(tiny_model, judge, policy, store):
    judge.presets = {"default": Preset(("bright",), 0.0)}
    released = generate("a cat", tiny_model, RESEARCH, n=3, store=store).pictures
    blocked = generate("a cat", tiny_model, policy(), n=1, judges={"brightness": judge}, store=store).pictures
    waiting = generate(
        "a cat", tiny_model, policy("review"), n=1, judges={"brightness": judge}, store=store
    ).pictures
    runs = store.runs()
    assert [run.status for run in runs] == ["done"] * 3
    samples = [sample for run in runs for sample in store.samples(run.id)]
    decisions = [decision for run in runs for decision in store.decisions(run.id)]
    assert {s.id for s in samples} == {p.sample for p in (*released, *blocked, *waiting)}
    assert {d.sample for d in decisions} == {s.id for s in samples}
    assert [sample.block for sample in store.samples(runs[0].id)] == [0, 0, 1]
    by_id = {sample.id: sample for sample in samples}
    for picture in released:
        assert (store.images.get(by_id[picture.sample].image_hash) == pixels(picture)).all()
    assert by_id[blocked[0].sample].image_hash is None
    assert store.images.get(by_id[waiting[0].sample].image_hash).shape == (16, 16, 3)
    configs = [json.loads(run.config_json) for run in runs]
    told = {"device": "cpu", "threads": torch.get_num_threads()}
    assert all(config.items() >= told.items() and config["sampling"]["block"] == 2 for config in configs)
    texts = [config["prompts"] for config in configs]
    assert texts == [[{"negative": "", "text": "a cat"}], 1, 1]


def test_two_equal_requests_are_two_runs(tiny_model, store):
    first, second = (generate("a cat", tiny_model, RESEARCH, store=store).pictures[0] for _ in range(2))
    assert first.sample != second.sample
    assert (pixels(first) == pixels(second)).all()
    assert len(list(store.images.folder.rglob("*.png"))) == 1  # once by hash


def test_ctrl_c_keeps_finished_blocks_and_says_so(tiny_model, store):
    def stop(done, total):
        if done > 3:  # in the middle of the second block of two
            raise KeyboardInterrupt

    pictures, kept = prepare("a cat", tiny_model, RESEARCH, n=6, progress=stop).pictures(store), []
    with pytest.raises(KeyboardInterrupt):
        kept.extend(pictures)
    [run] = store.runs()
    assert run.status == "interrupted"
    assert [s.id for s in store.samples(run.id)] == [p.sample for p in kept]
    assert len(kept) == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"prompts": ""}, "prompt 1 is empty"),
        ({"prompts": ["a cat", " \n"]}, "prompt 2 is empty"),
        ({"prompts": []}, "no prompt"),
        ({"prompts": 7}, "prompts must be a text or several, got int"),
        ({"prompts": ["a cat", None]}, "got NoneType"),
        ({"prompts": b"cat"}, "got int"),
        ({"n": 0}, "n must be a whole number of at least 1, got 0"),
        ({"n": 2.5}, "got 2.5"),
        ({"n": True}, "got True"),
        ({"n": 10**12}, "one request draws at most 100000 pictures, got 1000000000000"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"seed": float("nan")}, "got nan"),
        ({"guidance": float("nan")}, "guidance must be a finite number"),
        ({"guidance": -5.0}, "guidance must be a finite number"),
        ({"steps": 0}, "steps must be a whole number of at least 1"),
        ({"steps": 2000}, "from 1 to 1000, got 2000"),
        ({"policy": "genral"}, "Did you mean 'general'"),
        ({"model": "minature"}, "Did you mean 'miniature'"),
    ],
    ids=str,
)
def test_bad_input_is_named_before_anything_runs(tiny_model, asked, said):
    with pytest.raises(BadInput, match=said):
        generate(**{"prompts": "a cat", "model": tiny_model, "policy": RESEARCH} | asked)


def test_a_policy_whose_judge_the_model_cannot_have_is_refused_with_the_cure(tiny_model):
    with pytest.raises(Refused) as refused:
        generate("a cat", tiny_model, "general")
    for words in ("check 1", "judges={'oracle': judge}", "safelight.json", 'policy="research"'):
        assert words in str(refused.value)


def test_one_step_is_possible_unless_a_method_could_never_act(tiny_model):
    assert generate("a cat", tiny_model, RESEARCH, steps=1).pictures[0].image is not None
    with pytest.raises(Refused, match="sld_warmup_steps = 10"):
        generate("a cat", tiny_model, "sld-medium", steps=1)


@pytest.mark.parametrize("text", ["кот и дом", "猫の写真", "🙂🔥" * 5, "a\x00b\nc", "\u200fقطة"], ids=ascii)
def test_any_script_is_a_prompt(tiny_model, text):
    [picture] = generate(text, tiny_model, RESEARCH).pictures
    assert picture.prompt.text == text
    assert picture.image is not None


def test_a_prompt_of_10_000_letters_is_drawn_and_what_is_lost_is_said(tiny_model):
    with pytest.warns(UserWarning, match="too long for the text encoder"):
        [picture] = generate("cat " * 2500, tiny_model, RESEARCH).pictures
    assert picture.image is not None
    assert len(picture.dropped) > 9000
