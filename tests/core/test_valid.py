from __future__ import annotations

import math

import pytest

from safelight.core.errors import BadInput, UnknownName
from safelight.core.valid import flag, number, one_of, per_item, whole


def test_what_is_allowed_passes():
    number("x", 0, 0, 1)
    number("x", 1.0, 0, 1)
    number("x", 1e-300, 0, above=True)
    number("x", -5)
    whole("x", 3, 3)


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 1.1, "1", None, True, (1,)])
def test_numbers_outside_are_refused_with_the_range(value):
    with pytest.raises(BadInput, match=r"^x must be a finite number in \[0, 1\], got "):
        number("x", value, 0, 1)


def test_a_range_can_leave_out_its_low_end():
    with pytest.raises(BadInput, match=r"in \(0, inf\], got 0"):
        number("x", 0, 0, above=True)


@pytest.mark.parametrize("value", [2, 3.0, "3", None, True])
def test_whole_numbers_are_no_fractions_and_no_booleans(value):
    with pytest.raises(BadInput, match=f"x must be a whole number of at least 3, got {value!r}"):
        whole("x", value, 3)


def test_a_name_is_one_of_those_known_or_refused_with_the_nearest():
    one_of("end", "teacher", ("teacher", "student"))
    with pytest.raises(UnknownName, match=r"unknown end 'teecher'.*Did you mean 'teacher'"):
        one_of("end", "teecher", ("teacher", "student"))


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_a_flag_is_nothing_that_counts_as_one(value):
    flag("x", False)
    with pytest.raises(BadInput, match=f"x must be true or false, got {value!r}"):
        flag("x", value)


def test_one_value_serves_all_concepts_or_each_has_its_own():
    assert per_item("x", 5, 3) == (5, 5, 5)
    assert per_item("x", (1, None, 3), 3) == (1, None, 3)
    with pytest.raises(BadInput, match="x has 2 values for 3 concepts"):
        per_item("x", (1, 2), 3)
