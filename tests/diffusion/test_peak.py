from __future__ import annotations

import torch

from safelight.diffusion import peak
from safelight.diffusion.peak import Peak

MB = 2**20


def held(megabytes: int) -> int | None:
    with Peak(torch.device("cpu")) as found:
        torch.ones(megabytes * MB // 4)
    return found.bytes


def test_a_peak_is_that_of_the_block_and_not_of_what_was_before():
    large, small = held(256), held(1)
    assert large is not None
    assert small is not None
    assert 200 * MB < large - small < 300 * MB


def test_where_the_system_does_not_tell_nothing_is_claimed(monkeypatch, tmp_path):
    monkeypatch.setattr(peak, "FORGET", tmp_path / "no" / "such")
    assert held(1) is None
    with Peak(torch.device("meta")) as other:
        pass
    assert other.bytes is None
