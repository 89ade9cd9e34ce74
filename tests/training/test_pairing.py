"""The pairing tables of the published programs, for 50 DDIM steps of a schedule of 1000."""

from __future__ import annotations

import pytest

from safelight.core.errors import BadInput
from safelight.training.pairing import pairs

DDIM = list(range(981, 0, -20))  # Stable Diffusion's 50 time steps
PNDM = [981, 961, 961, *range(941, 0, -20)]


def table(name, timesteps=DDIM):
    return pairs(name, 50, 1000, timesteps)


def level(pair):
    """The true noise level of a pair's latent; -19 is clean."""
    return 981 - 20 * (pair.start + pair.steps)


def test_fixed_contains_the_true_level_and_covers_all_times():
    rows = table("fixed")
    assert [(pair.start, pair.steps) for pair in rows] == [(0, n) for n in range(50)]
    for n, pair in enumerate(rows):
        assert (pair.times[0], pair.times[-1], len(pair.times)) == (980 - 20 * n, 999 - 20 * n, 20)
        assert level(pair) == 981 - 20 * n in pair.times
    assert sorted(t for pair in rows for t in pair.times) == list(range(1000))


def test_as_released_differs_in_the_first_pair_only():
    first, *others = table("as-released")
    assert others == table("fixed")[1:]
    assert (first.steps, level(first), list(first.times)) == (50, -19, list(range(980, 1000)))


def test_classic_is_up_to_58_steps_cleaner_than_it_says():
    rows = table("classic")
    assert {pair.start for pair in rows} == {1}  # noise is at 961
    for k, pair in enumerate(rows):
        assert list(pair.times) == list(range(20 * k, 20 * k + 20))
        if k >= 2:
            assert level(pair) == 20 * (k - 2) + 1
            assert {t - level(pair) for t in pair.times} == set(range(39, 59))
    assert [level(pair) for pair in rows[:2]] == [-19, -19]
    assert rows[49].steps == 1


def test_exact_is_the_solvers_own_time_step():
    assert [(pair.steps, list(pair.times)) for pair in table("exact")] == [
        (n, [t]) for n, t in enumerate(DDIM)
    ]
    by_pndm = table("exact", PNDM)
    assert len(by_pndm) == 50
    assert by_pndm[1].times == by_pndm[2].times == [961]


def test_alt_is_19_above_the_level_and_has_neither_end():
    rows = table("alt")
    assert [pair.steps for pair in rows] == list(range(1, 49))
    assert {pair.times[0] - level(pair) for pair in rows} == {19}


def test_steps_that_do_not_divide_the_schedule_are_refused():
    with pytest.raises(BadInput, match="solver_steps must divide the 1000"):
        pairs("fixed", 30, 1000, DDIM)
    with pytest.raises(BadInput, match="solver_steps must be at least 3"):
        pairs("exact", 2, 1000, DDIM)
    assert len(pairs("exact", 30, 1000, DDIM)) == 30
