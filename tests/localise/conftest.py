"""Judges of texts that are known word by word."""

from __future__ import annotations

import pytest

from safelight.core.nouns import Score
from safelight.core.ports import Preset


class Says:
    """A judge by a rule on texts."""

    version, labels, range, content_hash = "1", ("bad",), (0.0, 1.0), "0"

    def __init__(self, name, rule):
        self.name, self.rule = name, rule
        self.presets = {"default": Preset(("bad",), 0.5)}

    def __call__(self, items):
        return [self.rule(item) for item in items]


@pytest.fixture
def failing():
    judge = Says("silent", lambda item: Score(None, "failed", "no idea"))
    return judge, judge.presets["default"]
