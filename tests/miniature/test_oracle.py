"""An oracle reads the same after it was stored, and a damaged one is not read at all."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from safelight.core.errors import Damaged
from safelight.miniature.oracle import FEATURES, Oracle, load
from safelight.miniature.truth import HEADS


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)


@pytest.fixture(params=["A", "B"])
def net(request):
    torch.manual_seed(0)
    return Oracle(request.param, HEADS).eval()


def test_read_gives_probabilities(net, images):
    read = net.read(images)
    assert list(read) == list(HEADS)
    for head, p in read.items():
        assert p.shape == (3, len(HEADS[head]))
        assert p.sum(1).tolist() == pytest.approx([1, 1, 1])


def test_maps_go_from_fine_to_coarse(net, images):
    assert [level.shape[2] for level in net.pyramid(images)] == [32, 16, 8, 4]
    features = net.features(images)
    assert features.shape == (3, FEATURES)
    assert (features >= 0).all()


def test_it_is_small(net):
    assert sum(p.numel() for p in net.parameters()) <= 500_000


def test_stored_and_loaded_it_reads_the_same(net, images, tmp_path):
    path = tmp_path / "oracle.safetensors"
    net.save(path)
    again = load(path)
    assert again.classes == HEADS
    assert len(again.content_hash) == 64
    for head, p in net.read(images).items():
        torch.testing.assert_close(again.read(images)[head], p, rtol=0, atol=2e-3)  # stored in half precision


def test_a_damaged_file_is_not_read(net, tmp_path):
    path = tmp_path / "oracle.safetensors"
    net.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Damaged, match="Install"):
        load(path)
    with pytest.raises(Damaged):
        load(tmp_path / "none.safetensors")
