"""A conditioning comes back from its file as it was, or is refused by name."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from safelight.core.errors import BadInput, Damaged
from safelight.core.nouns import Cond
from safelight.store import conditioning

COND = Cond({"text_encoder": torch.randn(1, 7, 4)}, {"text_encoder_2": torch.randn(1, 3)})


def test_it_comes_back_bit_for_bit(tmp_path):
    conditioning.save(COND, tmp_path / "a.safetensors")
    back = conditioning.load(tmp_path / "a.safetensors")
    assert back.shape == COND.shape
    assert torch.equal(back.tokens["text_encoder"], COND.tokens["text_encoder"])
    assert torch.equal(back.pooled["text_encoder_2"], COND.pooled["text_encoder_2"])


def test_its_content_is_its_values_not_its_place():
    other = COND.map(lambda x: x + 1)
    assert conditioning.content(COND) == conditioning.content(COND.map(torch.clone))
    assert conditioning.content(COND) != conditioning.content(other)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({}, "has no tokens"),
        ({"weight": torch.ones(1, 2)}, "weight .* is no part"),
        ({"tokens.a": torch.ones(3)}, "is no part"),
        ({"pooled.a": torch.ones(1, 3)}, "has no tokens"),
        ({"tokens.a": torch.ones(2, 3, 4)}, "must hold one text"),
        ({"tokens.a": torch.full((1, 3, 4), torch.nan)}, "finite"),
    ],
)
def test_what_is_no_conditioning_is_refused(tmp_path, tensors, said):
    path = tmp_path / "a.safetensors"
    save_file(tensors, path)
    with pytest.raises(Damaged, match=said):
        conditioning.load(path)


def test_files_that_are_absent_or_damaged_or_cannot_be_written_are_named(tmp_path):
    with pytest.raises(BadInput, match=r"none\.safetensors cannot be read"):
        conditioning.load(tmp_path / "none.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10")
    with pytest.raises(Damaged, match=r"cut\.safetensors is truncated"):
        conditioning.load(tmp_path / "cut.safetensors")
    with pytest.raises(BadInput, match="cannot write"):
        conditioning.save(COND, tmp_path / "absent" / "a.safetensors")
