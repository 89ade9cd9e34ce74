from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from safelight.core.errors import BadInput, Refused
from safelight.core.method import Method
from safelight.core.nouns import Prompt
from safelight.diffusion.sampling import Sampling
from safelight.methods.guidance.sld import SLD

SAMPLING = Sampling(steps=3, height=16, width=16, block=2)
PROMPTS = ["a cat", "a dog on a boat", "rain", "a house", ""]
SEEDS = [5, 6, 7, 8, 9]


def gap(a, b):
    return float((a.latent - b.latent).abs().max() / b.latent.abs().max())


def test_pictures_come_in_order_with_their_seeds(generator):
    pictures = generator.run(PROMPTS, SEEDS, (), SAMPLING)
    assert [picture.seed for picture in pictures] == SEEDS
    assert all(
        p.image.shape == (16, 16, 3) and p.image.dtype == np.uint8 and p.status == "ok" for p in pictures
    )
    assert all(picture.ms > 0 for picture in pictures)


def test_blocks_give_the_same_bytes_wherever_a_run_is_cut(generator):
    sld = [SLD("fog", sld_warmup_steps=0)]
    whole = generator.run(PROMPTS, SEEDS, sld, SAMPLING)
    parts = [p for a in (0, 2, 4) for p in generator.run(PROMPTS[a : a + 2], SEEDS[a : a + 2], sld, SAMPLING)]
    assert all(torch.equal(a.latent, b.latent) for a, b in zip(whole, parts, strict=True))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(whole, parts, strict=True))


def test_other_block_sizes_agree_to_rounding(generator):
    small, large = (generator.run(PROMPTS, SEEDS, (), replace(SAMPLING, block=block)) for block in (1, 5))
    assert max(gap(a, b) for a, b in zip(small, large, strict=True)) < 1e-4


def test_same_noise_for_every_method(generator):
    starts = []
    for methods in ([], [SLD("rain", sld_warmup_steps=0)]):
        steps = []
        generator.run(["a cat"], [3], methods, SAMPLING, on_step=steps.append)
        starts.append(steps[0].x)
        assert len(steps) == 3
    assert torch.equal(*starts)


@pytest.mark.parametrize("prompt", ["", "🐈 🚀", "кошка 猫 قطة", "e\u0301", "a" * 10_000, "a cat\n\t\x00"])
def test_any_text_gives_a_picture(generator, prompt):
    long = len(prompt) > 100
    with pytest.warns(UserWarning, match="1 of 1 prompts are too long") if long else nothing():
        (picture,) = generator.run([prompt], [0], (), SAMPLING)
    assert picture.status == "ok"
    assert len(picture.dropped) == (10_000 - 75 if long else 0)


@contextmanager
def nothing():
    yield


def test_a_long_prompt_beside_a_short_one_says_what_it_lost(generator):
    long = "a cat on a mat " * 10 + "the end"
    with pytest.warns(UserWarning, match="1 of 2 prompts are too long for the text encoder; the first loses"):
        short, cut = generator.run(["a cat", long], [0, 1], (), SAMPLING)
    assert (short.dropped, cut.dropped[-7:]) == ("", "the end")
    assert long.endswith(cut.dropped)


@pytest.mark.parametrize(
    ("prompts", "seeds", "said"),
    [
        (["a cat", 3], [0, 1], "prompt text must be a string, got int"),
        ([None], [0], "prompt text must be a string, got NoneType"),
        (["a cat"], [0, 1], "one seed a prompt"),
        ("a cat", [0, 1, 2, 3, 4], "one seed a prompt"),
        (["a cat"], [-1], "a seed must be a whole number"),
        (["a cat"], [1.5], "a seed must be a whole number"),
        (["a cat"], [2**63], "a seed must be a whole number"),
    ],
)
def test_unusable_requests(generator, prompts, seeds, said):
    with pytest.raises(BadInput, match=said):
        generator.run(prompts, seeds, (), SAMPLING)


def test_one_step_is_enough_for_a_picture_but_not_for_a_warm_up(generator):
    one = replace(SAMPLING, steps=1)
    (picture,) = generator.run(["a cat"], [0], [SLD("rain", sld_warmup_steps=0)], one)
    assert (picture.status, picture.reports["sld"]["steps"]) == ("ok", [0])
    with pytest.raises(Refused, match="leaves none of the solver's 1 iterations to act in"):
        generator.run(["a cat"], [0], [SLD.of("medium", concept="rain")], one)


def test_nothing_asked_nothing_made(generator):
    assert generator.run([], [], (), SAMPLING) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0), ("steps", 2.5), ("steps", float("nan")), ("block", 0), ("height", -64), ("width", True),
        ("guidance", float("nan")), ("guidance", float("inf")), ("guidance", 0.5), ("guidance", "5"),
        ("guidance", True), ("dtype", "int8"),
    ],
)  # fmt: skip
def test_absurd_sampling(field, value):
    with pytest.raises(BadInput, match=field):
        Sampling(**{field: value})


def test_sampling_that_the_model_cannot_do(generator):
    for change, said in (
        ({"height": 17}, "height must be a multiple of 2"),
        ({"dtype": "bfloat16"}, "load it with dtype='bfloat16'"),
        ({"solver": "eular"}, "Did you mean 'euler'"),
        ({"steps": 5000}, "steps must be a whole number from 1 to 1000"),
    ):
        with pytest.raises(BadInput, match=said):
            generator.run(["a cat"], [0], (), replace(SAMPLING, **change))


@dataclass(frozen=True)
class Poison(Method):
    """Turns the second sample of a batch into NaN."""

    name = "poison"

    def term(self, here, raw, state):
        out = torch.zeros_like(here.x)
        out[1] = float("nan")
        return out


def test_a_latent_that_is_not_finite_is_never_a_picture(generator):
    good, bad = generator.run(["a cat", "a dog"], [0, 1], [Poison()], SAMPLING)
    assert (good.status, bad.status) == ("ok", "failed")
    assert good.image is not None
    assert bad.image is None
    assert "not finite" in bad.detail


@dataclass(frozen=True)
class Halve(Method):
    """Halves every weight of the network for the length of a run."""

    name = "halve"

    @contextmanager
    def edit(self, model):
        kept = {name: weight.clone() for name, weight in model.net.state_dict().items()}
        with torch.no_grad():
            for weight in model.net.parameters():
                weight.mul_(0.5)
        try:
            yield
        finally:
            model.net.load_state_dict(kept)


def test_edits_end_with_the_run_and_leave_no_trace(generator):
    before = {name: weight.clone() for name, weight in generator.backbone.net.state_dict().items()}
    (plain,), (halved,) = (generator.run(["a cat"], [0], methods, SAMPLING) for methods in ([], [Halve()]))
    assert gap(halved, plain) > 1e-2

    def interrupt(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generator.run(["a cat"], [0], [Halve()], SAMPLING, on_step=interrupt)
    after = generator.backbone.net.state_dict()
    assert all(torch.equal(weight, after[name]) for name, weight in before.items())


@dataclass(frozen=True)
class Swap(Method):
    """Conditions the prompt's row on another text."""

    name = "swap"

    def edit(self, model):
        object.__setattr__(self, "model", model)
        return super().edit(model)

    def embed(self, cond, row, p):
        return self.model.encode([p.text.replace("cat", "dog")]) if row == "prompt" else cond  # pyright: ignore


def test_the_embed_hook_sees_one_row_of_one_prompt(generator):
    swapped = generator.run(["a cat", "a boat"], [0, 1], [Swap()], SAMPLING)
    expected = generator.run(["a dog", "a boat"], [0, 1], (), SAMPLING)
    assert max(gap(a, b) for a, b in zip(swapped, expected, strict=True)) < 1e-5


@dataclass(frozen=True)
class Sometimes(Method):
    """Asks for a row of its own only where the prompt speaks of a cat."""

    name = "sometimes"

    def rows(self, p):
        return {"row": "rain"} if "cat" in p.text else {}

    def term(self, here, raw, state):
        return raw["row"] - raw["uncond"] if "row" in raw else 0.0


def test_samples_with_unlike_rows_share_a_block(generator):
    prompts, sampling = ["a cat", "a dog", "two cats"], replace(SAMPLING, block=3)
    mixed = generator.run(prompts, [0, 1, 2], [Sometimes()], sampling)
    plain = generator.run(prompts, [0, 1, 2], (), sampling)
    differs = [gap(a, b) > 1e-3 for a, b in zip(mixed, plain, strict=True)]
    assert differs == [True, False, True]


def test_guidance_of_one_predicts_one_row(generator):
    steps = []
    generator.run(["a cat"], [0], (), replace(SAMPLING, guidance=1), on_step=steps.append)
    assert steps[0].raw.keys() == {"prompt"}


def test_methods_that_exclude_each_other_are_refused(generator):
    from safelight.methods.guidance.negative_prompt import NegativePrompt

    with pytest.raises(Refused, match="set the unconditional row; keep one"):
        generator.run(["a cat"], [0], [NegativePrompt("rain"), NegativePrompt("fog")], SAMPLING)


def test_a_users_negative_text_is_used(generator):
    (with_text,), (without,) = (
        generator.run([Prompt("a cat", negative)], [0], (), SAMPLING) for negative in ("rain", "")
    )
    assert gap(with_text, without) > 1e-3
