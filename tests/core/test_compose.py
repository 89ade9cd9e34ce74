from __future__ import annotations

from dataclasses import dataclass

import pytest

from safelight.core.compose import compose
from safelight.core.errors import Refused
from safelight.core.nouns import Cap, Prompt
from safelight.methods.guidance.sld import SLD


@dataclass(frozen=True)
class Model:
    name: str = "tiny"
    family: str = "sd"
    caps: frozenset[Cap] = frozenset(Cap)


def problems(*entries, model=Model()):
    with pytest.raises(Refused) as refused:
        compose(entries, model)
    return refused.value.problems


def test_methods_in_the_order_of_the_list():
    entries = [
        {"use": "negative-prompt", "concept": ["nudity", "blood"]},
        {"use": "sld", "preset": "max", "concept": "bare", "sld_warmup_steps": 0.2},
    ]
    negative, sld = compose(entries, Model())
    assert negative.rows(Prompt(""))["uncond"] == "nudity, blood"
    assert sld == SLD.of("max", concept="bare", sld_warmup_steps=0.2)


def test_every_problem_at_once():
    said = problems(
        {"use": "sdl"},
        {"use": "sld", "concpt": "nudity", "sld_threshold": "high"},
        {"use": "sld", "preset": "maximum"},
        {"use": "sld", "sld_mom_beta": 1.5},
        {"preset": "max"},
        {"use": "negative-prompt", "concept": []},
    )
    assert len(said) == 7
    expected = [
        "method 1 ('sdl'): unknown method 'sdl'. Did you mean 'sld'?",
        "method 2 ('sld'): unknown setting 'concpt'. Did you mean 'concept'?",
        "method 2 ('sld'): 'sld_threshold' = 'high': Input should be a valid number",
        "method 3 ('sld'): unknown preset of sld 'maximum'.",
        "method 4 ('sld'): sld_mom_beta must be a finite number in [0, 1], got 1.5",
        "method 5 ('?'): it needs a name",
        "method 6 ('negative-prompt'): concept must be a text",
    ]
    for sentence, start in zip(said, expected, strict=True):
        assert sentence.startswith(start)


@pytest.mark.parametrize("value", [True, "10", [10], None])
def test_types_are_not_guessed(value):
    (sentence,) = problems({"use": "sld", "sld_warmup_steps": value})
    assert "'sld_warmup_steps'" in sentence


def test_what_a_model_does_not_offer():
    (sentence,) = problems({"use": "sld"}, model=Model(caps=frozenset({Cap.PROMPT, Cap.IMAGE})))
    assert sentence.startswith(
        "method 1 ('sld'): it needs STEPS (sees every denoising step's predictions), which"
    )
    assert sentence.endswith("'tiny' does not offer")


def test_one_method_at_most_sets_the_unconditional_row():
    (sentence,) = problems({"use": "negative-prompt"}, {"use": "sld"}, {"use": "negative-prompt"})
    assert sentence == "'negative-prompt' and 'negative-prompt' set the unconditional row; keep one of them"


def test_a_direction_from_a_text_to_itself_is_refused():
    [sentence] = problems(
        {"use": "sld", "concept": ["rain", "nudity"]}, {"use": "negative-prompt", "concept": "nudity"}
    )
    assert sentence.startswith("'sld' and 'negative-prompt' name the same text 'nudity'")
    assert "give them different concepts" in sentence
