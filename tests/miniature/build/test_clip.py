"""Equal captions are not negatives, and padding changes nothing that is read."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from safelight.miniature.build import clip
from safelight.miniature.build.tokenizer import clip_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return clip_tokenizer(["a red cat", "a blue dog at night"] * 20, tmp_path_factory.mktemp("tokenizer"))


def test_equal_captions_share_the_target():
    _, index = clip.distinct(["a cat", "a dog", "a cat", "a cat"])
    third = 1 / 3
    expected = [[third, 0, third, third], [0, 1, 0, 0], [third, 0, third, third], [third, 0, third, third]]
    torch.testing.assert_close(clip.targets(index), torch.tensor(expected))


def test_loss_is_least_where_equal_captions_score_alike():
    target = clip.targets(torch.tensor([0, 1, 0]))
    fair = torch.tensor([[9.0, 0, 9], [0, 9, 0], [9, 0, 9]])
    greedy = torch.eye(3) * 9  # what plain CLIP would ask for
    assert clip.cross_entropy(fair, target) < clip.cross_entropy(greedy, target)
    assert clip.cross_entropy(fair, target).item() == pytest.approx(
        2 / 3 * torch.log(torch.tensor(2.0)).item(), abs=1e-3
    )


def test_text_is_pooled_at_its_end_whatever_the_padding(tokenizer):
    torch.manual_seed(0)
    net: Any = clip.network(tokenizer).eval()
    assert net.config.text_config.eos_token_id == tokenizer.eos_token_id
    alone = clip.tokens(tokenizer, ["a red cat"])
    beside = clip.tokens(tokenizer, ["a red cat", ", ".join(["a blue dog at night"] * 9)])[:1]
    assert beside.shape[1] > alone.shape[1]
    with torch.no_grad():
        a, b = (net.get_text_features(input_ids=ids).pooler_output for ids in (alone, beside))
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_one_batch_in_sixteen_is_long():
    assert [clip.spoken("x", step) for step in (0, 14, 15, 16)] == ["x", "x", "x, x, x", "x"]
