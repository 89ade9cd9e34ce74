"""The hard stop reads what methods seek. Terms come from its tables; asserts compare outcomes only."""

from __future__ import annotations

import pytest
import torch

from safelight.core.errors import Refused
from safelight.core.hard_stop import tables
from safelight.core.method import Method
from safelight.diffusion import tiny
from safelight.diffusion.vectors import save
from safelight.guarded import generate, guard
from safelight.methods.guidance.sega import SEGA
from safelight.policies import Bound, Policy
from safelight.store import conditioning

MINOR, SEXUAL = (tables()[name][0] for name in ("minor", "sexual"))
ACTS = {"edit_warmup_steps": 0, "edit_guidance_scale": 1.0}


def generated(tiny_model, methods, prompt):
    return generate(prompt, tiny_model, Policy("test", methods), steps=2).pictures


def guarded(tiny_model, methods, prompt):
    with guard(tiny.sd(), Policy("test", methods)) as door:
        return door(prompt, num_inference_steps=2, guidance_scale=5.0).pictures


def sega(concept, away):
    return {"use": "sega", "concept": concept, "reverse_editing_direction": away, **ACTS}


@pytest.mark.parametrize("door", [generated, guarded])
def test_a_concept_that_is_sought_counts_and_one_that_is_left_does_not(tiny_model, door):
    [sought] = door(tiny_model, (sega(MINOR, away=False),), f"an adult, {SEXUAL}")
    [one_of_two] = door(tiny_model, (sega(["a hat", MINOR], [True, False]),), f"an adult, {SEXUAL}")
    [left] = door(tiny_model, (sega(["a hat", MINOR], [False, True]),), f"an adult, {SEXUAL}")
    [alone] = door(tiny_model, (sega(f"{MINOR} {SEXUAL}", away=False),), "a cat")
    [two] = door(tiny_model, (sega(MINOR, away=False), sega(SEXUAL, away=False)), "a cat")
    pictures = (sought, one_of_two, left, alone, two)
    outcomes = [str(picture.outcome) for picture in pictures]
    assert outcomes == ["block", "block", "allow", "block", "block"]
    assert [picture.image is None for picture in pictures] == [True, True, False, True, True]
    said = [(d.method, d.outcome == "block") for d in sought.decisions]
    assert said == [("hard-stop", True)]


@pytest.mark.parametrize("door", [generated, guarded])
def test_vectors_of_another_run_count_by_what_they_seek(tiny_model, door, tmp_path):
    outcomes = []
    for sought in ([MINOR], []):
        save(tmp_path / "v.safetensors", 0.1 * torch.ones(2, 4, 8, 8), sought)
        table = {"use": "guidance-vectors", "file": str(tmp_path / "v.safetensors")}
        outcomes += [str(picture.outcome) for picture in door(tiny_model, (table,), f"an adult, {SEXUAL}")]
    assert outcomes == ["block", "allow"]


def test_no_policy_seeks_what_has_no_text(tiny_model, tmp_path):
    path = str(tmp_path / "hat.safetensors")
    conditioning.save(tiny_model.backbone.encode(["a hat"]), path)
    with pytest.raises(Refused, match="a concept that is sought must be words"):
        generated(tiny_model, (sega(path, away=False),), "a cat")
    [left] = generated(tiny_model, (sega(path, away=True),), "a cat")
    assert str(left.outcome) == "allow"


def test_what_a_method_writes_is_read_with_what_another_seeks(tiny_model, monkeypatch):
    class Writes(Method):
        name = "writes"

        def prompt(self, p):
            return type(p)(f"an adult, {SEXUAL}"), []

    methods = (Writes(), SEGA(concept=MINOR, reverse_editing_direction=False, edit_warmup_steps=0))
    monkeypatch.setattr(Policy, "bind", lambda self, *rest: Bound(self, methods, ()))
    [picture] = generate("a cat", tiny_model, Policy("test")).pictures
    said = [(d.method, str(d.outcome)) for d in picture.decisions]
    assert (said, picture.image) == ([("hard-stop", "allow"), ("hard-stop", "block")], None)


def test_a_method_that_cannot_say_what_it_seeks_blocks(tiny_model, monkeypatch):
    class Silent(Method):
        name = "silent"

        @property
        def sought(self):
            raise OSError("the file is gone")

    monkeypatch.setattr(Policy, "bind", lambda self, *rest: Bound(self, (Silent(),), ()))
    [picture] = generate("a cat", tiny_model, Policy("test")).pictures
    assert (picture.outcome, picture.image) == ("block", None)
    assert "silent failed: OSError('the file is gone')" in picture.decisions[-1].reason
