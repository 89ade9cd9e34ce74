from __future__ import annotations

from safelight.core.errors import BadInput, Refused, SafelightError, UnknownName


def test_unknown_names_get_a_guess_or_the_list():
    assert str(UnknownName("method", "sdl", ["sld", "esd"])) == "unknown method 'sdl'. Did you mean 'sld'?"
    assert str(UnknownName("method", "zzz", ["sld", "esd"])) == "unknown method 'zzz'. Known: esd, sld."
    assert str(UnknownName("method", "x", [])) == "unknown method 'x'. None is registered."


def test_refusals_say_everything_one_a_line():
    refused = Refused(["the first", "the second"])
    assert refused.problems == ("the first", "the second")
    assert str(refused).splitlines() == ["this cannot run:", "  - the first", "  - the second"]


def test_bad_input_is_a_value_error_and_all_are_ours():
    assert issubclass(UnknownName, BadInput)
    assert issubclass(BadInput, ValueError)
    assert issubclass(Refused, SafelightError)
