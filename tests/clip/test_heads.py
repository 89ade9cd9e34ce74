from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from safelight.clip import heads
from safelight.core.errors import BadInput
from safelight.store.files import write_tensors


def test_a_soft_prompt_is_q16s_softmax_of_scaled_cosines():
    torch.manual_seed(0)
    x, prompts = torch.randn(9, 24), torch.randn(2, 24)
    similar = heads.SCALE * normalize(x) @ normalize(prompts).T
    expected = similar.softmax(1)[:, 1:]
    torch.testing.assert_close(heads.SoftPrompts(prompts)(x).sigmoid(), expected, rtol=1e-4, atol=1e-5)


def test_published_heads_are_read_as_they_were_written(tmp_path):
    """Five heads in the authors' form, with running statistics of their own, joined in one file."""
    torch.manual_seed(0)
    written = {}
    nets = {}
    for label in ("sexual", "violent", "hateful"):
        net = nn.Sequential(nn.Linear(24, 7), nn.ReLU(), nn.Dropout(0.5), nn.BatchNorm1d(7), nn.Linear(7, 1))
        net(torch.randn(16, 24))
        nets[label] = net.eval()
        written |= {f"{label}.{name}": value for name, value in net.state_dict().items()}
    write_tensors(tmp_path / "heads.safetensors", written, {})
    head = heads.load(tmp_path / "heads.safetensors", 24)
    assert isinstance(head, heads.Heads)
    x = torch.randn(5, 24)
    for k, label in enumerate(head.heads):
        assert torch.equal(head(x)[:, k], nets[label](x)[:, 0])
    assert heads.tensors(head).keys() == written.keys()


def test_a_folder_with_a_file_for_each_label_is_the_file_with_all_of_them(tmp_path):
    torch.manual_seed(0)
    nets = {label: heads.perceptron(24, 7) for label in ("violent", "sexual")}
    joined = {f"{label}.{name}": v for label, net in nets.items() for name, v in net.state_dict().items()}
    write_tensors(tmp_path / "joined.safetensors", joined, {})
    (tmp_path / "apart").mkdir()
    for label, net in nets.items():
        write_tensors(tmp_path / "apart" / f"{label}.safetensors", net.state_dict(), {})
    one, several = (heads.load(tmp_path / name, 24) for name in ("joined.safetensors", "apart"))
    x = torch.randn(5, 24)
    assert isinstance(several, heads.Heads)
    assert list(several.heads) == ["sexual", "violent"]
    assert torch.equal(one(x), several(x))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="it is empty"):
        heads.load(tmp_path / "empty", 24)


@pytest.mark.parametrize("head", [heads.SoftPrompts(torch.randn(2, 24)), heads.logistic(["a", "b"], 24)])
def test_what_is_written_is_read_back(tmp_path, head):
    write_tensors(tmp_path / "h.safetensors", heads.tensors(head), {})
    again = heads.load(tmp_path / "h.safetensors", 24)
    x = torch.randn(5, 24)
    assert torch.equal(again(x), head(x))


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({}, "holds no head"),
        ({"prompts": torch.ones(3, 24)}, r"prompts must be \[2, d\] and alone"),
        ({"prompts": torch.ones(2, 24), "a.weight": torch.ones(1, 24)}, "and alone"),
        ({"a.weight": torch.ones(1, 24)}, "Missing key"),
        ({"a.weight": torch.ones(1, 24), "a.bias": torch.ones(1), "a.more": torch.ones(1)}, "Unexpected key"),
        ({"prompts": torch.zeros(2, 24)}, "a row of zeros"),
        ({"a.weight": torch.full((1, 24), torch.nan), "a.bias": torch.ones(1)}, "a.weight has NaN"),
        ({"prompts": torch.ones(2, 23)}, "embeddings of 23 numbers, and this one's have 24"),
        ({"a.weight": torch.ones(1, 23), "a.bias": torch.ones(1)}, "embeddings of 23 numbers"),
    ],
)
def test_anything_else_is_refused(tmp_path, tensors, said):
    write_tensors(tmp_path / "h.safetensors", tensors, {})
    with pytest.raises(BadInput, match=said):
        heads.load(tmp_path / "h.safetensors", 24)


def test_a_pickle_is_never_read(tmp_path):
    torch.save({"prompts": torch.ones(2, 24)}, tmp_path / "prompts.p")
    with pytest.raises(BadInput, match="it takes safetensors"):
        heads.load(tmp_path / "prompts.p", 24)
