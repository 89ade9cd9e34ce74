from __future__ import annotations

from typing import Any

import pytest
import torch

from safelight.core.errors import BadInput
from safelight.core.nouns import Cond, Moment, Outcome, Prompt, strictest


def test_the_strictest_outcome_wins():
    assert strictest([Outcome.ALLOW, Outcome.REPAIR, Outcome.REVIEW]) is Outcome.REVIEW
    assert strictest(Outcome) is Outcome.BLOCK
    assert strictest([]) is Outcome.ALLOW
    plain: list[Any] = ["allow", "blur"]  # what code without annotations gives
    assert strictest(plain) is Outcome.BLUR
    plain.append("Blur")
    with pytest.raises(ValueError, match="Blur"):
        strictest(plain)


@pytest.mark.parametrize("text", [None, 3, b"a cat", ["a", "cat"], float("nan")])
def test_a_prompt_is_a_string(text):
    with pytest.raises(BadInput, match="must be a string, got"):
        Prompt(text)


def test_a_prompt_is_valid_unicode():
    with pytest.raises(BadInput, match="lone surrogate"):
        Prompt("a \ud83d cat")
    assert Prompt("a \U0001f408").text == "a 🐈"


@pytest.mark.parametrize("kind", ["epsilon", "v", "flow"])
def test_x0_and_implied_epsilon_for_every_kind_of_prediction(kind):
    x0, eps = torch.randn(2, 1, 4, 3, 3, dtype=torch.float64)
    alpha, sigma = (0.7, 0.3) if kind == "flow" else (0.6, 0.8)
    x = alpha * x0 + sigma * eps
    raw = {"epsilon": eps, "v": alpha * eps - sigma * x0, "flow": eps - x0}[kind]
    here = Moment(0, 1, torch.tensor(0), x, alpha, sigma, kind, 5.0, decode=lambda x: x)
    assert torch.allclose(here.x0(raw), x0)

    other = raw + torch.randn_like(raw)
    implied = (x - alpha * here.x0(other)) / sigma
    assert torch.allclose(here.eps_per_raw * (other - raw), implied - eps)


def test_conditioning_expands_without_a_copy():
    cond = Cond({"clip": torch.ones(1, 5, 3)}, {"clip": torch.ones(1, 3)})
    wide = cond.expand(4)
    assert wide.tokens["clip"].shape == (4, 5, 3)
    assert wide.tokens["clip"].data_ptr() == cond.tokens["clip"].data_ptr()
    assert wide.shape == cond.shape == (("clip", 5, 3), ("clip", 3))
