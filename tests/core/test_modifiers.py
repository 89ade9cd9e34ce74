from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.core.errors import BadInput
from safelight.core.modifiers import content, diluted, parse
from safelight.miniature.words import STYLE_FORMS

PIECES = ["a cat", "very", " ", ",", "(", ")", "[", "]", "::2", ":1.2", ":", "8k", "by Ann", "\n", "猫", "、"]
PIECES += ["https://a.b/c", "<lora:x:1>"]
NOTATION = st.lists(st.sampled_from(PIECES)).map("".join)


def kinds(prompt):
    return [(part.text.strip(), part.kind) for part in parse(prompt) if part.kind != "mark"]


@given(NOTATION | st.text())
def test_the_parts_join_to_the_prompt(prompt):
    try:
        parts = parse(prompt)
    except BadInput:
        return
    assert "".join(part.text for part in parts) == prompt
    assert sum(part.kind == "subject" for part in parts) <= 1
    assert 0 <= diluted(parts) <= 1


# Labelled by hand.
LABELLED = {
    "a cat, highly detailed, 8k, trending on artstation": "subject booster booster booster",
    "an oil painting of a red car by Ann Smith, sharp focus": "style subject style booster",
    "a dog in the style of a famous painter": "subject style",
    "cubism, by greg somebody, a boat": "style style subject",
    "masterpiece, best quality, a woman in a city at night": "booster booster subject",
    "a house, a house, a house": "subject repeating repeating",
    "a very very old tree": "subject repeating unknown",
    "xkqzt wq4hh8, a cat": "magic subject",
    "https://example.org/cat.png a cat <lora:sketch:0.8>": "image subject image",
    "a cat by the river, a bridge, fog": "subject unknown unknown",
    "猫、夜の街": "subject unknown",
    "3d render, isometric, a tiny shop": "style style subject",
}


@pytest.mark.parametrize("prompt", LABELLED)
def test_hand_labelled_prompts(prompt):
    assert [kind for _, kind in kinds(prompt)] == LABELLED[prompt].split()


@pytest.mark.parametrize("form", [form for forms in STYLE_FORMS.values() for form in forms])
def test_the_miniatures_styles_are_styles_and_its_things_the_subject(form):
    parts = parse(form.format("a red car"))
    assert [part.text for part in parts if part.kind == "subject"] == ["a red car"]
    assert any(part.kind == "style" for part in parts)
    assert content(parts) == "a red car"


def test_weights():
    def weights(prompt):
        return [round(part.weight, 3) for part in parse(prompt) if part.kind != "mark"]

    assert weights("a, (b), ((c)), [d], (e:1.5), ((f:2)), (g, h:0.5)") == [
        1,
        1.1,
        1.21,
        0.909,
        1.5,
        2.2,
        0.5,
        0.5,
    ]
    assert weights("a cat::2 a dog::-1 fog") == [2, -1, 1]
    assert weights("(a:1.2, b) c:1.3 (d") == [1.1, 1.1, 1, 1]  # a weight counts in front of its bracket only


@pytest.mark.parametrize("prompt", ["(a:11)", "a::-10.5"])
def test_a_weight_out_of_range_is_named(prompt):
    with pytest.raises(BadInput, match=r"the weight -?1[01].* is outside of -10 to 10"):
        parse(prompt)


def test_content_and_dilution():
    parts = parse("a cat, masterpiece, best quality, 8k, an oil painting, a cat")
    assert content(parts) == "a cat"
    assert diluted(parts) == 1 - 2 / 11
    assert (parse(""), diluted([]), content(parse("8k, 4k"))) == ((), 0.0, "")


LONG = [
    "a",
    "(",
    "()",
    "((a)",
    "(a:1.2)",
    "a, ",
    "very ",
    "<",
    "https://",
    ":1",
    "::2",
    " ",
    "in a a ",
    " by A",
    "x::2 ",
]


@pytest.mark.parametrize("unit", LONG)
def test_long_prompts_take_a_moment(unit):
    begun = time.process_time()
    parse(unit * (10_000 // len(unit)))
    assert time.process_time() - begun < 5  # quadratic would be minutes
