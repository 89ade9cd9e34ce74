"""Image hooks draw and repair under the policy, and only what passed its prompt stage."""

from __future__ import annotations

import numpy as np
import pytest

from safelight.core.errors import Refused
from safelight.core.nouns import Prompt
from safelight.guarded.studio import Studio
from safelight.policies import Policy

REPAIR = """
schema = 1
name = "repair"
[[method]]
use = "judge-localise-edit"
judge = "brightness"
"""
TERMS = """
[[method]]
use = "terms"
lists = "violence"
"""


@pytest.fixture
def studio(tiny_model, judge):
    def make(text=REPAIR):
        bound = Policy.read(text).bind(tiny_model, {"brightness": judge})
        return Studio(tiny_model, tiny_model.sampling, bound).of(11, np.zeros((16, 16, 3), np.uint8))

    return make


def test_a_try_begins_on_the_pictures_own_noise(studio, tiny_model):
    here = studio()
    [picture] = tiny_model.run(["a cat"], [11])
    assert np.array_equal(here.draw(Prompt("a cat")), picture.image)
    assert not np.array_equal(here.draw(Prompt("a cat"), 1), picture.image)


def test_what_the_prompt_stage_refuses_is_not_drawn(studio):
    here, image = studio(REPAIR + TERMS), np.zeros((16, 16, 3), np.uint8)
    where = np.ones((16, 16), bool)
    assert here.draw(Prompt("a cat")) is not None
    assert here.inpaint(image, where, Prompt("a cat")) is not None
    refused = Prompt("a decapitated cat")
    assert here.draw(refused) is None
    assert here.inpaint(image, where, refused) is None


def test_a_judge_that_a_method_asks_is_found_before_anything_runs(studio, tiny_model, judge):
    assert studio().judge("brightness")[0] is judge
    with pytest.raises(Refused, match=r"method 'judge-localise-edit': .*'immorality' was not made for"):
        Policy.read(REPAIR.replace('judge = "brightness"', "")).bind(tiny_model)
