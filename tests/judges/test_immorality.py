"""A judge that learned from captions alone reads pictures that it never saw."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from safelight import judges
from safelight.core.errors import Damaged
from safelight.judges.immorality import ImmoralityJudge, load
from safelight.miniature.build.immorality import drawn, labelled


@pytest.fixture(scope="module")
def judge():
    return judges.load("immorality")[0]


def test_it_tells_unsafe_pictures_from_safe_ones(judge):
    pictures, unsafe = drawn(120, seed=5)
    said = torch.tensor([score.values["immoral"] for score in judge(list(pictures))]) >= 0.5
    assert 15 < unsafe.sum() < 60
    assert (said == unsafe).float().mean() > 0.9


def test_it_reads_captions_it_was_not_trained_on(judge):
    texts, immoral = labelled(20, seed=5, split="test")
    said = torch.tensor([score.values["immoral"] for score in judge(texts)]) >= 0.5
    assert (said == immoral).float().mean() >= 0.95


def test_texts_and_pictures_mix_and_what_is_neither_fails_alone(judge):
    picture = drawn(1, seed=0)[0][0]
    mixed = judge([picture, "a nude man", picture[:32], 3])
    assert [score.status for score in mixed] == ["ok", "ok", "failed", "failed"]
    assert mixed[0].values["immoral"] == pytest.approx(judge([picture])[0].values["immoral"], abs=1e-5)
    assert mixed[2].detail == "immorality reads texts and uint8 [64, 64, 3], got uint8 [32, 64, 3]"
    assert (judge.reads, len(judge.content_hash)) == ("image", 64)
    assert np.isfinite(mixed[1].values["immoral"])


def test_vectors_that_mean_nothing_fail(judge):
    """A head's bias alone would be an answer."""
    eyes: Any = SimpleNamespace(images=lambda images: torch.tensor([[0.0] * 128, [torch.nan] * 128]))
    blind = ImmoralityJudge(eyes, judge.head, 64, "")
    assert {score.status for score in blind(list(drawn(2, seed=0)[0]))} == {"failed"}


def test_a_file_that_is_no_head_is_damaged(tmp_path):
    (tmp_path / "head.safetensors").write_bytes(b"no")
    with pytest.raises(Damaged, match="not a readable head"):
        load(tmp_path / "head.safetensors")
