"""Settings as texts: read by type, refused by name."""

from __future__ import annotations

from dataclasses import fields

import pytest

from safelight.core.errors import BadInput, UnknownName
from safelight.trained.recipes import EDITS, METHODS, checked, kinds, parse, published, spelled
from safelight.training.esd import ESD
from safelight.training.fit import Plan

VALUES = {
    "sdd": {
        "concept": ("a nude, a body", "blood"),
        "lr": 3e-6,
        "steps": 7,
        "betas": (0.5, 0.9),
        "clip": None,
    },
    "esd": {"concept": "bare", "eta": None, "recipe": "classic", "erase_from": "a person", "clip": 0.5},
    "ca": {"concept": "cat+dog", "anchors": ("a cat", "cats"), "pictures": 5, "prior": 1.0},
    "guardt2i": {"captions": "a.txt", "normal": "b.txt", "conditioning": "sequence", "layers": 2, "steps": 5},
    "sdd-anchored": {"concept": "bare", "ema": 0.5, "pairing": "trajectory"},
    "uce": {
        "edit_concepts": (["a", "b"][0],),
        "expand_prompts": True,
        "lamb": 0.1,
        "kind": "map",
        "preserve": "b.txt",
    },
    "uce-debias": {
        "concepts": ("nurse", "doctor"),
        "attributes": ("man", "woman"),
        "labels": ("presentation:masculine", "presentation:feminine"),
        "judge": "oracle",
        "ratios": (0.5, 0.5),
        "steps": 5,
        "seed": 1,
        "step": 0.5,
        "kind": "map",
    },
}


@pytest.mark.parametrize("method", METHODS)
def test_what_is_spelled_is_read_back(method):
    texts = [f"{name}={spelled(value)}" for name, value in VALUES[method].items()]
    assert parse(method, texts) == VALUES[method]


@pytest.mark.parametrize("method", METHODS)
def test_settings_are_the_fields_of_the_class_and_of_the_plan(method):
    known = kinds(method).keys()
    own = {field.name for field in fields(METHODS[method])} - {"model", "latents"}
    assert own <= known
    assert ({field.name for field in fields(Plan)} <= known) is (method not in EDITS)
    assert "model" not in known


@pytest.mark.parametrize(
    ("method", "text", "said"),
    [
        ("sdd", "concpt=bare", r"unknown setting of sdd 'concpt'. Did you mean 'concept'\?"),
        ("sdd", "latents=1", "unknown setting of sdd 'latents'"),
        ("uce", "steps=5", "unknown setting of uce 'steps'"),
        ("sdd", "concept", "write key=value"),
        ("sdd", "steps=many", "steps: 'many' cannot be used"),
        ("sdd", "steps=1.5", "steps: '1.5' cannot be used"),
        ("sdd", "lr=none", "lr: 'none' cannot be used"),
        ("sdd", "betas=0.9", "betas: '0.9' cannot be used"),
        ("sdd", "end=teecher", r"unknown end 'teecher'. Did you mean 'teacher'\?"),
        ("esd", "recipe=2024", "unknown recipe '2024'"),
        ("uce", "expand_prompts=perhaps", "expand_prompts: 'perhaps'"),
        ("sddd", "concept=bare", r"unknown training 'sddd'. Did you mean 'sdd'\?"),
    ],
)
def test_a_bad_text_is_named(method, text, said):
    with pytest.raises(BadInput, match=said):
        parse(method, [text])


def test_a_setting_comes_once():
    with pytest.raises(BadInput, match="concept is set twice"):
        parse("sdd", ["concept=a", "concept=b"])


def test_what_is_missing_or_out_of_range_is_named():
    with pytest.raises(BadInput, match="ca needs concept; its"):
        checked("ca", {"steps": 1})
    with pytest.raises(BadInput, match="uce needs edit_concepts; its settings are edit_concepts, guide_"):
        checked("uce", {})
    with pytest.raises(BadInput, match="uce-debias needs concepts; its settings are concepts, attrib"):
        checked("uce-debias", {"steps": 5})
    with pytest.raises(BadInput, match="lr must be a finite number"):
        checked("sdd", {"concept": "bare", "lr": float("nan")})
    with pytest.raises(UnknownName, match="Did you mean 'clip'"):
        checked("sdd", {"concept": "bare", "clipp": 1.0})


def test_method_and_plan_are_apart_and_the_published_plan_is_the_default(generator):
    assert checked("sdd", {"concept": "bare", "lr": 1e-4}) == ({"concept": "bare"}, {"lr": 1e-4})
    with ESD(generator.backbone, "blood", recipe="classic", solver_steps=4) as objective:
        assert published(objective) == Plan(1000, 1e-5)
