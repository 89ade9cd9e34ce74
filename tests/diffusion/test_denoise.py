from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, pairwise

import pytest
import torch

from safelight.core.method import Method
from safelight.core.nouns import Cap
from safelight.diffusion.denoise import denoise
from safelight.diffusion.solvers import draw, solver
from safelight.methods.guidance.sld import SLD

STEPS = 6


@dataclass(frozen=True)
class Toward(Method):
    """Adds a share of its own row's direction."""

    name = "toward"
    text: str = "rain"
    share: float = 0.5

    def rows(self, p):
        return {"row": self.text}

    def term(self, here, raw, state):
        assert raw.keys() == {"uncond", "prompt", "row"}
        return self.share * (raw["row"] - raw["uncond"])


@dataclass(frozen=True)
class Shrink(Method):
    """Differentiates through the network: a term that pulls the clean latent towards zero."""

    name = "shrink"
    needs = frozenset({Cap.GRAD})

    def term(self, here, raw, state):
        (gradient,) = torch.autograd.grad(here.x0(raw["prompt"]).square().sum(), here.x)
        return here.sigma * 0.01 * gradient


@pytest.fixture(scope="module")
def sample(generator):
    """sample(methods, b=2, ...) -> the steps of one run from the noise of seeds 0, 1, ..."""
    model = generator.backbone
    prompts = ["a cat", "a dog on a boat", "rain"]

    def run(methods=(), b=2, texts=prompts, scale=7.5, solver_name="ddim", **options):
        steps = solver(solver_name, STEPS, model.scheduler)
        rngs = [torch.Generator().manual_seed(seed) for seed in range(b)]
        rows = {"uncond": model.encode([""]), "prompt": model.encode(texts[:b])}
        for k, method in enumerate(methods):
            rows |= {f"{k}:{row}": model.encode([text]) for row, text in method.rows(None).items()}
        x = draw(rngs, (4, 8, 8), "cpu") * steps.init_scale
        return denoise(model, steps, rows, x, scale=scale, methods=methods, rngs=rngs, **options)

    return run


def last(steps):
    *_, step = steps
    return step.next


def gap(a, b):
    return float((a - b).abs().max() / b.abs().max())


class TowardScaled(Toward):
    """The same term inside the guidance scale."""

    scaled = True


SLD_ON = SLD(concept="nudity", sld_warmup_steps=1)


def test_terms_are_added_to_guidance(sample):
    step = next(sample([Toward(), Toward("blood", 2.0)]))
    u, p, rain, blood = (step.raw[name] for name in ("uncond", "prompt", "0:row", "1:row"))
    assert torch.equal(step.guided, u + (7.5 * (p - u) + (0.5 * (rain - u) + 2.0 * (blood - u))))
    step = next(sample([TowardScaled(), Toward("blood", 2.0)]))
    assert torch.equal(step.guided, u + (7.5 * (p - u + 0.5 * (rain - u)) + 2.0 * (blood - u)))


def test_methods_work_in_any_order(sample):
    one, two = last(sample([SLD_ON, Toward()])), last(sample([Toward(), SLD_ON]))
    assert gap(one, two) < 1e-5
    assert gap(one, last(sample([SLD_ON]))) > 1e-3


def test_a_sample_does_not_depend_on_its_batch(sample):
    together = last(sample([SLD_ON], b=3))
    for b in (1, 2):
        assert gap(together[:b], last(sample([SLD_ON], b=b))) < 1e-4


def test_chunks_of_rows_change_rounding_only(sample):
    whole = last(sample([SLD_ON]))
    for max_rows in (1, 4):
        assert gap(last(sample([SLD_ON], max_rows=max_rows)), whole) < 1e-4


def test_a_skipped_row_changes_nothing_and_costs_nothing(sample, generator, monkeypatch):
    sld = SLD.of("weak", concept="nudity", sld_warmup_steps=4)
    sizes = []
    predict = generator.backbone.predict
    monkeypatch.setattr(
        generator.backbone, "predict", lambda x, t, c: sizes.append(len(x)) or predict(x, t, c)
    )
    skipping = last(sample([sld]))
    assert sizes == [4] * 4 + [6] * 2
    monkeypatch.setattr(SLD, "active", lambda self, i, n: None)
    assert gap(skipping, last(sample([sld]))) < 1e-6


def test_stopping_the_loop_is_partial_sampling(sample):
    steps = list(sample())
    *_, third = islice(sample(), 3)
    assert torch.equal(third.next, steps[2].next)
    assert [step.i for step in steps] == list(range(STEPS))
    assert all(torch.equal(a.next, b.x) for a, b in pairwise(steps))


def test_the_caller_keeps_its_gradient_mode(sample):
    for mode in (True, False):
        with torch.set_grad_enabled(mode):
            for step in sample([Shrink()]):
                assert torch.is_grad_enabled() is mode
                assert not step.next.requires_grad
                assert not any(value.requires_grad for value in step.raw.values())


def test_gradients_flow_for_the_methods_that_ask(sample):
    plain, shrunk = last(sample()), last(sample([Shrink()]))
    assert shrunk.square().mean() < 0.98 * plain.square().mean()
    assert gap(last(sample([Shrink(), SLD_ON])), shrunk) > 1e-3


def test_noise_of_a_stochastic_solver_belongs_to_the_sample(sample):
    assert gap(last(sample(b=2, solver_name="euler-a"))[:1], last(sample(b=1, solver_name="euler-a"))) < 1e-4


def test_texts_of_unlike_length_share_a_run(sample, generator):
    model = generator.backbone
    steps = solver("ddim", STEPS, model.scheduler)
    x = draw([torch.Generator().manual_seed(0)], (4, 8, 8), "cpu")
    short = model.encode([""]).map(lambda states: states[:, :5])
    rows = {"uncond": short, "prompt": model.encode(["a cat"])}
    guided = next(denoise(model, steps, rows, x, scale=5.0)).guided
    with torch.no_grad():
        raw = {name: model.predict(x, steps.timesteps[0], cond) for name, cond in rows.items()}
    assert gap(guided, raw["uncond"] + 5.0 * (raw["prompt"] - raw["uncond"])) < 1e-5
