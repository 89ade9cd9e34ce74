from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from safelight import judges
from safelight.core.errors import BadInput, UnknownName
from safelight.core.nouns import Score
from safelight.core.ports import Preset, Reads


class Said:
    """A judge that says what it is told to."""

    name, version, labels, range, content_hash = "said", "1", ("a", "b"), (0.0, 1.0), ""
    reads: Reads = "image"
    presets: Mapping[str, Preset] = MappingProxyType({"default": Preset(("a",), 0.5)})

    def __init__(self, say: Callable[[Sequence[Any]], list[Score]]) -> None:
        self.say = say

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        return self.say(items)


def test_sound_scores_pass_unchanged():
    scores = [Score({"a": 0.1, "b": 0.2}), Score(None, "skipped", "not a picture")]
    assert judges.ask(Said(lambda items: scores), [1, 2]) == scores


def test_a_blank_picture_is_failed_unseen_whatever_the_judge():
    seen = []

    def say(items: Sequence[Any]) -> list[Score]:
        seen.extend(items)
        return [Score({"a": 0.0, "b": float(item[0, 0, 0])}) for item in items]

    noise = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    grey, black = np.full((8, 8, 3), 90, np.uint8), np.zeros((8, 8, 3), np.uint8)
    plain = np.broadcast_to(np.array([9, 200, 30], np.uint8), (8, 8, 3))
    scores = judges.ask(Said(say), [noise[0], grey, black, plain, noise[1]])
    assert [score.status for score in scores] == ["ok", "failed", "failed", "failed", "ok"]
    assert [len(seen), scores[4].values] == [2, {"a": 0.0, "b": float(noise[1, 0, 0, 0])}]
    assert "one single colour" in scores[2].detail
    assert judges.ask(Said(say), [black])[0].status == "failed"
    assert not judges.blank("a text")


def broken(items: Sequence[Any]) -> list[Score]:
    raise MemoryError("no room")


@pytest.mark.parametrize(
    ("say", "detail"),
    [
        (broken, "said failed: MemoryError"),
        (lambda items: [Score({"a": 0.1, "b": 0.1})], "1 scores for 2 items"),
        (lambda items: [Score({"a": float("nan"), "b": 0.1})] * 2, "NaN or infinity for a"),
        (lambda items: [Score({"a": 0.1})] * 2, "nothing of b"),
        (lambda items: [Score(None)] * 2, "no values"),
        (lambda items: [Score({"a": 0.1, "b": 0.1}, "failed", "a guess")] * 2, "a guess"),
    ],
)
def test_whatever_goes_wrong_is_a_failed_score_for_every_item(say, detail: str):
    scores = judges.ask(Said(say), [1, 2])
    assert [(score.values, score.status) for score in scores] == [(None, "failed")] * 2
    assert detail in scores[0].detail


@pytest.mark.parametrize("spec", ["oracel", "oracel:bare"])
def test_an_unknown_judge_gets_a_suggestion(spec: str):
    with pytest.raises(UnknownName, match=r"unknown judge 'oracel'. Did you mean 'oracle'"):
        judges.load(spec)


def test_a_judge_of_a_plug_in_that_lacks_a_part_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(judges, "get", lambda group, name: lambda: Part())
    with pytest.raises(
        BadInput, match="the judge 'mine' has no version, labels, range, reads, content_hash, pr"
    ):
        judges.load("mine")


class Part:
    name = "mine"


def test_fuse():
    values = {"a": 0.2, "b": 0.9, "c": 0.6}
    assert judges.fuse(values, Preset(("a", "c"), 0.5)) == 0.6
    assert judges.fuse(values, Preset(("a", "b", "c"), 0.5, "k-of-n", k=2)) == 0.6
    assert judges.fuse(values, Preset(("a", "b"), 0.5, "weighted", weights=(1.0, -1.0))) == pytest.approx(
        -0.7
    )
