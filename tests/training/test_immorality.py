"""The head learns what can be learned, always the same, and reads the equation as published."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from safelight.core.errors import BadInput
from safelight.judges.immorality import Head
from safelight.training.fit import Plan
from safelight.training.immorality import TextHead, learn


@pytest.fixture(scope="module")
def data():
    x = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))
    return x, x[:, 3] > 0


def test_it_learns_a_separable_rule_and_the_same_one_again(data, tmp_path):
    x, immoral = data
    plan = Plan(steps=200, lr=2e-3, weight_decay=0.01, seed=3)
    first, second = (learn(x, immoral, tmp_path / name, plan) for name in ("a", "b"))
    assert ((first(x) > 0) == immoral).float().mean() > 0.9
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_head_is_the_published_stack_of_layers(data):
    head = Head(16)
    published = nn.Sequential(nn.Dropout(0.5), head.hidden, nn.Tanh(), nn.Dropout(0.5), head.out).eval()
    assert torch.equal(head(data[0]), published(data[0])[:, 0])


def test_half_of_the_input_is_dropped_and_the_rest_doubled(data):
    x, immoral = data
    objective = TextHead(x, immoral)
    batch = objective.batch(0, torch.Generator().manual_seed(0))
    seen = []
    objective.head.hidden.register_forward_hook(lambda layer, args, out: seen.append(args[0]))
    objective.loss(batch)
    kept = batch[2][0]
    assert torch.equal(seen[0], torch.where(kept, 2 * batch[0], 0))
    assert abs(float(kept.float().mean()) - 0.5) < 0.05


def test_labels_of_one_kind_are_refused(data):
    with pytest.raises(BadInput, match="sentences of both kinds"):
        TextHead(data[0], torch.ones(200, dtype=torch.bool))
