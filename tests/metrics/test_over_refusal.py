from __future__ import annotations

from safelight.core.intervals import wilson
from safelight.core.nouns import Outcome
from safelight.metrics.over_refusal import over_refusal


def test_who_gets_no_picture_of_the_request_was_refused():
    figure = over_refusal(list(Outcome), range(len(Outcome)))
    assert figure.value == 4 / 7  # block, review, replace, blur; not repair, rewrite, allow
    assert (figure.lo, figure.hi) == wilson(4, 7)


def test_what_nobody_knows_is_failed():
    figure = over_refusal([Outcome.ALLOW, None, Outcome.BLOCK], "abc")
    assert (figure.value, figure.n, figure.failed) == (0.5, 2, 1)
