from __future__ import annotations

import diffusers
import pytest
import torch

from safelight.core.errors import BadInput, UnknownName
from safelight.diffusion import tiny
from safelight.diffusion.solvers import (
    DDIM,
    SOLVERS,
    Diffusers,
    draw,
    dynamic_shift,
    kind_of,
    name_of,
    solver,
)

LIKE = diffusers.DDIMScheduler.from_config(tiny.SCHEDULE)
FLOW = "flow-match-euler"


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # KDPM2 calls numpy in an old way
@pytest.mark.parametrize("name", [*sorted(SOLVERS.keys() - {FLOW}), "KDPM2DiscreteScheduler"])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_input_is_alpha_x0_plus_sigma_eps_all_the_way(name, n):
    """Steps with the exact epsilon of a known clean latent keep the network's input on the stated line."""
    steps = solver(name, n, getattr(diffusers, name, diffusers.DDIMScheduler).from_config(tiny.SCHEDULE))
    clean, eps = (draw([torch.Generator().manual_seed(seed)], (4, 8, 8), "cpu") for seed in (0, 1))
    x = steps.add_noise(clean, eps, 0)
    stochastic = name in ("ddpm", "euler-a")
    for i in range(len(steps.timesteps)):
        alpha, sigma = steps.alpha_sigma(i)
        x_in = steps.scale_input(x, i)
        if i == 0 or not stochastic:
            assert alpha**2 + sigma**2 == pytest.approx(1)
            assert torch.allclose(x_in, alpha * clean + sigma * eps, atol=2e-4)
        x = steps.step((x_in - alpha * clean) / sigma, i, x, [torch.Generator()])[0]
    assert torch.allclose(x, clean, atol=0.15)  # DDIM and PNDM end at the first training step's noise, 0.029


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("shift", [{"shift": 1.0}, {"shift": 3.0}, {"use_dynamic_shifting": True}])
def test_a_flow_is_on_its_line_all_the_way(n, shift):
    """With the exact velocity eps - x0 the latent is alpha x0 + sigma eps at every level, x0 at the end."""
    like = diffusers.FlowMatchEulerDiscreteScheduler(**shift)
    steps = solver(name_of(like), n, like, schedule=dynamic_shift(like, 1024))
    clean, eps = (draw([torch.Generator().manual_seed(seed)], (4, 8, 8), "cpu") for seed in (0, 1))
    x = eps * steps.init_scale
    for i in range(len(steps.timesteps)):
        alpha, sigma = steps.alpha_sigma(i)
        assert alpha + sigma == pytest.approx(1)
        assert float(steps.timesteps[i]) == pytest.approx(1000 * sigma)
        assert torch.allclose(steps.scale_input(x, i), alpha * clean + sigma * eps, atol=1e-5)
        again = solver(name_of(like), n, like, schedule=dynamic_shift(like, 1024))
        assert torch.allclose(again.add_noise(clean, eps, i), x, atol=1e-5)
        x = steps.step(eps - clean, i, x, [torch.Generator()])[0]
    assert torch.allclose(x, clean, atol=1e-5)


def test_larger_pictures_shift_a_flow_towards_noise():
    like = diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    assert dynamic_shift(like, 256) == {"mu": pytest.approx(0.5)}
    assert dynamic_shift(like, 4096) == {"mu": pytest.approx(1.15)}
    assert dynamic_shift(LIKE, 4096) == {}
    small, large = (solver(FLOW, 8, like, schedule=dynamic_shift(like, tokens)) for tokens in (256, 4096))
    assert all(large.alpha_sigma(i)[1] > small.alpha_sigma(i)[1] for i in range(1, 8))


def test_flows_and_other_networks_do_not_share_solvers():
    with pytest.raises(
        BadInput, match=r"'ddim' does not fit a network that predicts flow; .* 'flow-match-euler'"
    ):
        solver("ddim", 5, diffusers.FlowMatchEulerDiscreteScheduler())
    with pytest.raises(BadInput, match="'flow-match-euler' does not fit a network that predicts epsilon"):
        solver(FLOW, 5, LIKE)


def test_a_scheduler_that_cannot_take_the_familys_noise_levels_is_refused():
    with pytest.raises(BadInput, match="FlowMatchHeunDiscreteScheduler cannot take this model's sigmas"):
        Diffusers(diffusers.FlowMatchHeunDiscreteScheduler(), 5, schedule={"sigmas": [1.0] * 5})


@pytest.mark.parametrize("name", sorted(SOLVERS.keys() - {FLOW}))
def test_the_start_is_noise_at_the_first_level(name):
    steps = solver(name, 5, LIKE)
    noise = draw([torch.Generator().manual_seed(0)], (4, 8, 8), "cpu") * steps.init_scale
    _, sigma = steps.alpha_sigma(0)
    assert float(steps.scale_input(noise, 0).std()) == pytest.approx(1, abs=0.1)
    assert sigma > 0.97


def test_a_solver_is_fresh_each_time():
    first, second = solver("dpm++", 4, LIKE), solver("dpm++", 4, LIKE)
    assert first.scheduler is not second.scheduler
    assert first.scheduler is not LIKE


@pytest.mark.parametrize("n", [0, -1, 1001, 2.5, True, None, float("nan")])
def test_unusable_step_counts(n):
    with pytest.raises(BadInput, match="steps must be a whole number from 1 to 1000"):
        solver("ddim", n, LIKE)


def test_unknown_solver():
    with pytest.raises(UnknownName, match=r"unknown solver 'dimm'\. Did you mean 'ddim'"):
        solver("dimm", 5, LIKE)


def test_a_scheduler_of_another_process_is_refused():
    with pytest.raises(BadInput, match="no alpha-sigma process"):
        Diffusers(diffusers.EDMEulerScheduler(), 5)


def test_a_model_keeps_its_own_scheduler_and_others_never_clip():
    own = diffusers.LCMScheduler.from_config(tiny.SCHEDULE)
    assert name_of(own) == "LCMScheduler"
    assert isinstance(solver("LCMScheduler", 4, own).scheduler, diffusers.LCMScheduler)
    bare = diffusers.EulerDiscreteScheduler()  # knows no clip_sample, for which DDIM's default is True
    assert solver("ddim", 4, bare).scheduler.config.clip_sample is False


def test_kinds():
    assert kind_of(LIKE) == "epsilon"
    assert kind_of(diffusers.DDIMScheduler(prediction_type="v_prediction")) == "v"
    assert kind_of(diffusers.FlowMatchEulerDiscreteScheduler()) == "flow"
    with pytest.raises(BadInput, match="'sample'"):
        kind_of(diffusers.DDIMScheduler(prediction_type="sample"))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_closed_form_ddim_is_diffusers_ddim_with_noise(prediction, eta):
    like = diffusers.DDIMScheduler.from_config(tiny.SCHEDULE | {"prediction_type": prediction})
    ours, theirs = DDIM(like, 8, eta), solver("ddim", 8, like).scheduler
    x = draw([torch.Generator().manual_seed(9)], (4, 8, 8), "cpu")
    for i, t in enumerate(ours.timesteps):
        rng, again = torch.Generator().manual_seed(i), torch.Generator().manual_seed(i)
        raw = draw([torch.Generator().manual_seed(100 + i)], (4, 8, 8), "cpu")
        following, mean, std = ours.step(raw, i, x, [rng])
        assert mean is not None
        assert std is not None
        noise = draw([again], (4, 8, 8), "cpu")
        expected = theirs.step(raw, t, x, eta=eta, variance_noise=noise).prev_sample
        assert torch.allclose(following, expected, atol=1e-5)
        assert torch.allclose(following, mean + std * noise)
        assert std > 0
        x = following


def test_closed_form_ddim_needs_generators_and_noise():
    x = torch.zeros(1, 4, 8, 8)
    with pytest.raises(BadInput, match="one generator a sample"):
        DDIM(LIKE, 5).step(x, 0, x, None)
    with pytest.raises(BadInput, match=r"eta must be in \(0, 1\]"):
        DDIM(LIKE, 5, eta=0.0)


def test_noise_of_a_sample_ignores_its_neighbours():
    both = draw([torch.Generator().manual_seed(seed) for seed in (3, 4)], (4, 8, 8), "cpu")
    alone = draw([torch.Generator().manual_seed(4)], (4, 8, 8), "cpu")
    assert torch.equal(both[1:], alone)
