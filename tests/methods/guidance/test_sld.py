"""What SLD promises besides its formula; for that see tests/parity/test_sld.py."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from safelight.core.errors import BadInput, Refused
from safelight.core.nouns import Kind, Moment, Prompt
from safelight.diffusion.sampling import Sampling
from safelight.methods.guidance.sld import SLD

SAMPLING = Sampling(steps=5, height=16, width=16)


def gap(a, b):
    return float((a.latent - b.latent).abs().max() / b.latent.abs().max())


@pytest.fixture(scope="module")
def run(generator):
    def one(*methods, prompts=("a cat",), sampling=SAMPLING):
        return generator.run(prompts, range(len(prompts)), methods, sampling)

    return one


def test_each_picture_says_whether_it_was_on_where_and_how_much(run):
    first, second = run(SLD("rain", sld_warmup_steps=2), prompts=["a cat", "a dog on a boat"])
    for picture in (first, second):
        report = picture.reports["sld"]
        assert (report["on"], report["steps"], report["concept"]) == (True, [2, 3, 4], ["rain"])
        assert 0 < report["share"] < 1
    assert first.reports["sld"]["share"] != second.reports["sld"]["share"]


def test_switched_off_it_is_the_plain_picture_and_says_so(run):
    with pytest.warns(UserWarning, match="'sld' was off: sld_guidance_scale is 0"):
        (off,) = run(SLD("rain", sld_guidance_scale=0, sld_warmup_steps=0))
    (plain,) = run()
    assert torch.equal(off.latent, plain.latent)
    assert off.reports["sld"]["on"] is False


def test_settings_that_can_never_act_are_refused(run):
    for warmup in (5, 10):
        with pytest.raises(
            Refused, match=f"sld_warmup_steps = {warmup} leaves none of the solver's 5 iterations"
        ):
            run(SLD("rain", sld_warmup_steps=warmup))
    with pytest.raises(Refused, match="'sld': guidance is 1: safety guidance acts only above 1"):
        run(SLD("rain", sld_warmup_steps=0), sampling=replace(SAMPLING, guidance=1))


def test_iterations_count_not_steps(run):
    """PNDM makes one more than it was asked for, so five warm-up steps leave one to act in."""
    (picture,) = run(SLD("rain", sld_warmup_steps=5), sampling=replace(SAMPLING, solver="pndm"))
    assert picture.reports["sld"]["steps"] == [5]


def test_a_fraction_is_that_share_of_the_iterations(run):
    (fraction,), (whole,) = run(SLD("rain", sld_warmup_steps=0.4)), run(SLD("rain", sld_warmup_steps=2))
    assert torch.equal(fraction.latent, whole.latent)
    assert SLD("rain", sld_warmup_steps=0.99).check(5, 7.5) != []


def test_several_concepts_add_up(run):
    one, other = (SLD(concept, sld_warmup_steps=1) for concept in ("rain", "a boat"))
    (both,) = run(replace(one, concept=("rain", "a boat")))
    (stacked,) = run(one, other)
    (twice,), (once,) = run(replace(one, concept=("rain", "rain"))), run(one)
    assert gap(stacked, both) < 1e-5
    assert gap(twice, once) > 1e-3
    assert both.reports["sld"]["concept"] == ["rain", "a boat"]
    assert stacked.reports.keys() == {"sld", "sld#2"}


def test_thresholds_of_other_predictions_are_taken_on_the_epsilon_they_imply():
    e_0, e_p, e_S = (torch.full((1, 1, 1, 2), value, dtype=torch.float64) for value in (0.0, 0.3, 0.1))
    sld = SLD("rain", sld_guidance_scale=2, sld_threshold=0.15, sld_warmup_steps=0, sld_momentum_scale=0)
    cases: list[tuple[Kind, float, float]] = [
        ("epsilon", 0.5, 0.0), ("v", 0.5, 2 * 0.1), ("flow", 0.5, 2 * 0.1), ("v", 0.9, 0.0),
    ]  # fmt: skip
    for kind, alpha, mu in cases:
        here = Moment(0, 1, torch.tensor(0), e_p, alpha, 0.5, kind, 3.0, decode=lambda x: x)
        term = sld.term(here, {"uncond": e_0, "prompt": e_p, "concept 1": e_S}, sld.start())
        assert torch.allclose(e_0 + term, torch.full_like(e_0, -mu * 0.1)), (kind, alpha)


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "sld_guidance_scale": [math.nan, math.inf, -1, "1000", None, True],
        "sld_warmup_steps": [math.nan, -1, 2.5, 1.0, None, "ten"],
        "sld_threshold": [math.nan, math.inf, None],
        "sld_momentum_scale": [math.nan, -0.1],
        "sld_mom_beta": [math.nan, -0.1, 1.5],
        "concept": ["", (), ("nudity", "  "), 3, None],
    }.items(),
)
def test_bad_input_names_the_field(field, values):
    for value in values:
        with pytest.raises(BadInput, match=field):
            SLD(**{field: value})


def test_a_concept_that_is_cut_is_said_with_the_lost_words(run):
    with pytest.warns(UserWarning, match=r"is too long for the text encoder, which loses '.* end'"):
        run(SLD("rain " * 30 + "end", sld_warmup_steps=0))


@pytest.mark.parametrize("prompt", [Prompt("a cat", negative="rain"), Prompt("rain")])
def test_a_concept_in_the_words_of_another_row_is_said_to_be_off(run, prompt):
    """e_S = e_0 leaves no direction, and e_S = e_p no difference: phi is 0."""
    with pytest.warns(UserWarning, match="'sld' was off: nothing to pull at"):
        (steered,) = run(SLD("rain", sld_warmup_steps=0), prompts=[prompt])
    assert torch.equal(steered.latent, run(prompts=[prompt])[0].latent)
