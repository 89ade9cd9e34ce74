"""What SEGA promises besides its formula; for that see tests/parity/test_sega.py."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from safelight.core.errors import BadInput, Refused
from safelight.core.nouns import Kind, Moment, Prompt
from safelight.diffusion.sampling import Sampling
from safelight.methods.guidance.negative_prompt import NegativePrompt
from safelight.methods.guidance.sega import SEGA
from safelight.methods.guidance.sld import SLD
from safelight.store import conditioning

N = 6
SAMPLING = Sampling(steps=N, height=16, width=16)
RAIN = SEGA("rain", edit_warmup_steps=0)
BOTH = SEGA(("rain", "a boat"), edit_warmup_steps=0)


def gap(a, b):
    return float((a.latent - b.latent).abs().max() / b.latent.abs().max())


@pytest.fixture(scope="module")
def run(generator):
    def one(*methods, prompts=("a cat",), sampling=SAMPLING):
        return generator.run(prompts, range(len(prompts)), methods, sampling)

    return one


def here(i, kind: Kind = "epsilon", alpha=0.6):
    x = torch.zeros(1)
    return Moment(i, N, torch.tensor(0), x, alpha, 0.8, kind, 7.5, decode=lambda x: x)


def predictions(b=2, seed=0):
    rng = torch.Generator().manual_seed(seed)
    names = ("uncond", "prompt", "concept 1", "concept 2")
    return {name: torch.randn(b, 4, 5, 7, generator=rng, dtype=torch.float64) for name in names}


def term(sega, raw, moment=None) -> Any:
    """What SEGA adds at the first iteration."""
    return sega.term(moment or here(0), raw, sega.start())


def terms(sega) -> tuple[list[Any], list[dict[str, Any]]]:
    """What a run of SEGA adds at each iteration, and its reports on two pictures."""
    state = sega.start()
    added = [sega.term(here(i), predictions(seed=i), state) for i in range(N)]
    return added, sega.report(state, 2)


def test_it_leaves_the_concept_and_seeks_it_the_other_way_round():
    raw = predictions()
    direction = raw["concept 1"] - raw["uncond"]
    away = term(RAIN, raw)
    assert (away * direction).sum() < 0
    assert away[away != 0].allclose(-4 * direction[away != 0], rtol=1e-12)
    assert torch.equal(term(replace(RAIN, reverse_editing_direction=False), raw), -away)


@pytest.mark.parametrize(("q", "kept"), [(0.0, 35), (0.5, 18), (0.9, 4), (1.0, 1)])
def test_the_percentile_keeps_the_largest_of_each_channel_of_each_picture(q, kept):
    raw, sega = predictions(), replace(RAIN, edit_threshold=q)
    added: Any = sega.term(here(0), raw, state := sega.start())
    size = (raw["concept 1"] - raw["uncond"]).abs()
    for there, own in zip((added != 0).flatten(0, 1), size.flatten(0, 1), strict=True):
        assert there.sum() == kept
        assert own[there].min() >= own[~there].max() if kept < 35 else there.all()
    assert [report["shares"] for report in sega.report(state, 2)] == [[pytest.approx(kept / 35)]] * 2


def test_a_picture_has_its_own_percentiles():
    raw = predictions()
    raw["concept 1"][1] = raw["uncond"][1] + 1000 * (raw["concept 1"][1] - raw["uncond"][1])
    alone = [term(BOTH, {name: value[j : j + 1] for name, value in raw.items()}) for j in (0, 1)]
    assert torch.equal(term(BOTH, raw), torch.cat(alone))


def test_concepts_act_from_their_warm_up_to_their_cool_down():
    windows = {"edit_warmup_steps": (1, 3), "edit_cooldown_steps": (4, 5), "edit_momentum_scale": 0}
    added, (report, _) = terms(replace(BOTH, **windows))
    assert report["steps"] == [1, 2, 3, 4]
    assert [isinstance(one, torch.Tensor) for one in added] == [False, True, True, True, True, False]
    still = {"edit_momentum_scale": 0}
    (one, _), (two, _) = terms(replace(RAIN, **still)), terms(replace(BOTH, **still))
    assert torch.equal(added[2], one[2])
    assert torch.equal(added[3], two[3])
    assert added[4].allclose(two[4] - one[4])


def test_weights_are_relative_until_all_are_warm_and_absolute_then():
    sega = replace(BOTH, edit_weights=(3.0, 0.5), edit_warmup_steps=(0, 2), edit_momentum_scale=0)
    added, _ = terms(sega)
    plain, _ = terms(replace(RAIN, edit_momentum_scale=0))
    both, _ = terms(replace(BOTH, edit_momentum_scale=0))
    assert torch.equal(added[1], plain[1])
    assert added[2].allclose(3 * plain[2] + 0.5 * (both[2] - plain[2]), rtol=1e-12)


def test_momentum_builds_up_during_the_warm_up_and_fades_after_the_cool_down():
    windows = {"edit_warmup_steps": 1, "edit_cooldown_steps": 2, "edit_momentum_scale": 0.5}
    added, (report, _) = terms(replace(RAIN, **windows))
    psi, _ = terms(replace(RAIN, edit_momentum_scale=0))
    nu = 0.6 * psi[0]
    assert added[1].allclose(psi[1] + 0.5 * nu)
    nu = 0.4 * nu + 0.6 * added[1]
    assert added[2].allclose(0.5 * nu)
    assert added[3].allclose((0.4 + 0.6 * 0.5) * added[2])
    assert report["steps"] == [1, 2, 3, 4, 5]


def test_the_momentums_tail_can_be_left_out():
    tail, none = (
        terms(SEGA("rain", edit_warmup_steps=0, edit_cooldown_steps=2, momentum_tail=tail))[0]
        for tail in (True, False)
    )
    assert all(torch.equal(a, b) for a, b in zip(tail[:2], none[:2], strict=True))
    assert all(isinstance(added, torch.Tensor) and added.abs().max() > 0 for added in tail)
    assert none[2:] == [0.0] * (N - 2)


def test_an_embedding_is_the_text_that_it_was_made_of(run, generator, tmp_path):
    """For each of several pictures, where the authors' pipeline mixes concepts up."""
    file = str(tmp_path / "boat.safetensors")
    conditioning.save(generator.backbone.encode(["a boat"]), file)
    prompts = ("a cat", "a dog in the rain")
    words = run(BOTH, prompts=prompts)
    files = run(replace(BOTH, concept=("rain", file)), prompts=prompts)
    assert all(torch.equal(a.latent, b.latent) for a, b in zip(words, files, strict=True))


def test_an_embedding_counts_by_its_values_and_cannot_be_sought(generator, tmp_path):
    one, two = (str(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    for file in (one, two):
        conditioning.save(generator.backbone.encode(["a boat"]), file)
    assert SEGA(("rain", one)).contents == SEGA(("rain", two)).contents
    assert SEGA(("rain", one)).contents["concept"][0] == "rain"
    assert SEGA("rain").contents == {}
    with pytest.raises(BadInput, match=r"one\.safetensors is an embedding: .* must be words"):
        SEGA(one, reverse_editing_direction=False)


def test_an_embedding_of_another_text_encoder_is_refused_before_any_step(generator, tmp_path):
    file, seen = str(tmp_path / "wide.safetensors"), []
    own = generator.backbone.encode(["a boat"])
    conditioning.save(own.map(lambda x: torch.cat([x, x], -1)), file)
    with pytest.raises(BadInput, match=r"'concept 1' has the sizes .*64,.* this model's texts have .*32,"):
        generator.run(["a cat"], [0], [SEGA(file, edit_warmup_steps=0)], SAMPLING, seen.append)
    assert seen == []


@pytest.mark.parametrize("momentum", [0, 0.5])
def test_the_latent_is_finite_where_all_warm_concepts_have_cooled_down(run, momentum):
    """Where diffusers divides 0 by 0."""
    windows = {"edit_warmup_steps": (0, 3), "edit_cooldown_steps": (2, 5)}
    (picture,) = run(replace(BOTH, **windows, edit_momentum_scale=momentum))
    assert picture.latent.isfinite().all()
    assert picture.reports["sega"]["steps"] == [0, 1, 3, 4, 5] if momentum else [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("sega", "rows"),
    [
        (replace(BOTH, edit_warmup_steps=(2, 3), edit_momentum_scale=0), [2, 2, 3, 4, 4, 4]),
        (replace(BOTH, edit_warmup_steps=(2, 3), edit_mom_beta=1), [2, 2, 3, 4, 4, 4]),
        (replace(BOTH, edit_warmup_steps=(2, 3)), [4, 4, 4, 4, 4, 4]),
        (replace(BOTH, edit_cooldown_steps=(2, 4)), [4, 4, 3, 3, 2, 2]),
    ],
)
def test_rows_that_cannot_matter_are_skipped_which_changes_nothing(run, generator, monkeypatch, sega, rows):
    sizes, predict = [], generator.backbone.predict
    counted = lambda x, t, c: sizes.append(len(x)) or predict(x, t, c)  # noqa: E731
    monkeypatch.setattr(generator.backbone, "predict", counted)
    (skipping,) = run(sega)
    assert sizes == rows
    monkeypatch.setattr(SEGA, "active", lambda self, i, n: None)
    (predicting,) = run(sega)
    assert sizes[N:] == [4] * N
    assert gap(skipping, predicting) < 1e-5
    assert skipping.reports["sega"]["steps"] == predicting.reports["sega"]["steps"]


def test_each_picture_says_whether_it_was_on_where_and_how_much_of_each_concept(run):
    sega = replace(BOTH, edit_warmup_steps=2, edit_threshold=(0.9, 0.5))
    for picture in run(sega, prompts=["a cat", "a dog on a boat"]):
        report = picture.reports["sega"]
        assert (report["on"], report["steps"]) == (True, [2, 3, 4, 5])
        assert report["concept"] == ["rain", "a boat"]
        assert report["shares"] == [pytest.approx(7 / 64), pytest.approx(0.5)]
        assert report["share"] == pytest.approx(sum(report["shares"]) / 2)


def test_iterations_count_not_steps(run):
    """Heun makes 2 n - 1, with which diffusers' pipeline fails."""
    (picture,) = run(replace(RAIN, edit_warmup_steps=N), sampling=replace(SAMPLING, solver="heun"))
    assert picture.reports["sega"]["steps"] == list(range(N, 2 * N - 1))
    assert picture.status == "ok"


def test_a_percentile_is_the_same_on_the_epsilon_that_a_prediction_implies():
    raw, alpha = predictions(), 0.6
    implied = {name: alpha * value + 0.8 for name, value in raw.items()}
    for kind in ("v", "flow"):
        assert (alpha * term(BOTH, raw, here(0, kind, alpha))).allclose(term(BOTH, implied), rtol=1e-12)


def test_what_is_not_finite_fails_the_picture():
    raw = predictions()
    raw["concept 1"][0, 0, 0, 0] = math.nan
    assert term(RAIN, raw).isfinite().flatten(1).all(1).tolist() == [False, True]


def test_it_stacks(run):
    sld, negative = SLD("rain", sld_warmup_steps=0), NegativePrompt("fog")
    pictures = [run(*methods)[0] for methods in [(), (RAIN,), (RAIN, sld), (RAIN, negative), (negative,)]]
    assert pictures[2].reports.keys() == {"sega", "sld"}
    assert all(report["on"] for picture in pictures for report in picture.reports.values())
    assert all(gap(one, other) > 1e-3 for k, one in enumerate(pictures) for other in pictures[:k])
    assert gap(run(sld, RAIN)[0], pictures[2]) < 1e-5


def test_behind_a_negative_text_of_the_same_words_there_is_nothing_to_leave(run):
    """The negative text takes the place of e_0, so that psi = e_c - e_0 is 0."""
    asked = [Prompt("a cat", negative="rain")]
    with pytest.warns(UserWarning, match="'sega' was off: no direction"):
        (stacked,) = run(RAIN, prompts=asked)
    assert torch.equal(stacked.latent, run(prompts=asked)[0].latent)
    with pytest.raises(Refused, match="'sega' and 'negative-prompt' name the same text 'rain'"):
        run(RAIN, NegativePrompt("rain"))


def test_settings_that_can_never_act_are_refused(run):
    for warmup in (N, (0, 10)):
        with pytest.raises(
            Refused, match=r"edit_warmup_steps = \d+ leaves none of the solver's 6 iterations for "
        ):
            run(replace(BOTH, edit_warmup_steps=warmup))
    with pytest.raises(Refused, match="'sega': guidance is 1: semantic guidance acts only above 1"):
        run(RAIN, sampling=replace(SAMPLING, guidance=1))


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "concept": ["", (), ("nudity", "  "), 3, None],
        "reverse_editing_direction": [None, 1, "yes", (True, 1), (True,)],
        "edit_guidance_scale": [math.nan, math.inf, 0, -1, "5", None, True, (4, 0), (4, 4, 4), ()],
        "edit_warmup_steps": [math.nan, -1, 2.0, None, "ten", (0, -1), (1, 2, 3)],
        "edit_cooldown_steps": [0, 10, 12.0, "ten", (None, 10), (20,)],
        "edit_threshold": [math.nan, -0.1, 1.1, None, (0.9, 2), (0.9,)],
        "edit_weights": [math.nan, 0, -1, None, (1, -1), (1,)],
        "edit_momentum_scale": [math.nan, math.inf, -0.1, (0.1, 0.1)],
        "edit_mom_beta": [math.nan, -0.1, 1.5, None],
    }.items(),
)
def test_bad_input_names_the_field(field, values):
    for value in values:
        with pytest.raises(BadInput, match=field):
            SEGA(**{"concept": ("rain", "a boat"), field: value})


def test_too_few_or_too_many_values_are_counted():
    with pytest.raises(
        BadInput, match="edit_weights has 3 values for 2 concepts: give one for all, or one for each"
    ):
        SEGA(("rain", "a boat"), edit_weights=(1, 1, 1))
    assert SEGA("rain", edit_threshold=(0.9,)) != SEGA("rain")
    assert SEGA("rain", edit_threshold=(0.9,)).edits == SEGA("rain").edits
