from __future__ import annotations

from dataclasses import dataclass

import pytest

from safelight.core.nouns import Outcome
from safelight.core.records import canonical, digest, noise_seed, sample_id


def test_canonical_json_ignores_the_order_of_keys_and_knows_dataclasses():
    @dataclass(frozen=True)
    class Setting:
        b: int
        a: Outcome

    assert canonical(Setting(1, Outcome.BLOCK)) == canonical({"a": "block", "b": 1}) == '{"a":"block","b":1}'
    assert digest({"x": [1, 2]}) != digest({"x": [2, 1]})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_has_no_json_is_an_error(value):
    with pytest.raises((ValueError, TypeError)):
        canonical({"x": value})


def test_noise_seeds_never_change_and_fit_a_signed_database_integer():
    assert noise_seed("body", 0, 0) == 7148097681067629553
    seeds = {noise_seed(task, row, k) for task in ("a", "b") for row in range(20) for k in range(20)}
    assert len(seeds) == 800
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_sample_ids_hold_the_configuration():
    one = sample_id({"policy": "general"}, "body", 0, 0)
    assert one == sample_id({"policy": "general"}, "body", 0, 0)
    assert one != sample_id({"policy": "research"}, "body", 0, 0)
    assert len(one) == 32
