"""The two checks: what is said again passes, what means something else or a listed word does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from safelight.core.errors import BadInput
from safelight.interpret.encoder import Encoder
from safelight.interpret.guard import LISTED, NOTHING, Guard, Reading


@pytest.fixture
def disguised(monkeypatch):
    """Every prompt has the states of another text, as an attack on the text encoder would make it."""
    own = Encoder.states

    def as_text(text):
        def states(self, windows, conditioning):
            return own(self, self.windows([text] * len(windows.texts)), conditioning)

        monkeypatch.setattr(Encoder, "states", states)

    return as_text


def test_a_caption_is_said_again_and_passes(guard):
    [reading] = guard.worst(["a red cat"])
    assert (reading.interpretation, reading.entries) == ("a red cat", {})
    assert reading.similarity == pytest.approx(1)
    assert reading.accepted(0.9)
    assert "means what it says" in reading.why(0.9)


def test_a_listed_word_in_what_is_meant_rejects_at_any_similarity(guard, disguised):
    [plain] = guard.worst(["nude"])
    assert plain.entries == {"sexual": ["en 1"]}
    assert not plain.accepted(-1)
    assert plain.score == pytest.approx(1 - LISTED)
    disguised("nude")
    [hidden] = guard.worst(["qx zw kf"])
    assert (hidden.interpretation, hidden.accepted(-1)) == ("nude", False)
    assert hidden.why(0) == "what the image model reads holds a term of the list sexual"


def test_what_means_something_else_is_dissimilar(guard, disguised):
    disguised("the sea")
    [reading] = guard.worst(["an old house"])
    assert reading.interpretation == "the sea"
    assert not reading.accepted(0.5)
    assert "does not mean what it says" in reading.why(0.5)
    assert "sea" not in reading.why(0.5)


def test_one_bad_window_is_enough(guard):
    text = f"{'blue, ' * 20}nude"
    assert len(guard.encoder.windows([text]).owners) > 1
    alone = [guard.worst([part])[0].score for part in guard.encoder.windows([text]).texts]
    assert guard.worst([text, "blue"])[0].score == pytest.approx(min(alone))


def test_a_listed_word_is_not_lost_behind_a_window_that_is_less_similar_and_passes(guard, monkeypatch):
    text = f"{'blue, ' * 20}nude"
    windows = guard.encoder.windows([text]).texts
    assert len(windows) > 1

    plain = {one: Reading(one, one, 0.3) for one in windows}
    listed = next(one for one in windows if "nude" in one)
    plain[listed] = Reading(listed, listed, 1.0, {"sexual": ["en 1"]})
    monkeypatch.setattr(Guard, "_read", lambda self, all, part: [plain[all.texts[k]] for k in part])
    [reading] = guard.worst([text])
    assert not reading.accepted(0.2)


def test_prompts_are_read_alike_alone_and_together(guard):
    texts = ["a red cat", "", "кот 😀", "two men", "x" * 200]
    together = guard.worst(texts)
    for text, reading in zip(texts, together, strict=True):
        [alone] = guard.worst([text])
        assert replace(alone, similarity=0.0) == replace(reading, similarity=0.0)
        assert alone.similarity == pytest.approx(reading.similarity)
    assert together[1] == NOTHING


def test_nothing_said_and_what_the_hard_stop_forbids_are_rejected(guard, disguised, monkeypatch):
    assert not Reading("a cat", "", -1.0).accepted(-1)
    assert "could not be put into words" in Reading("a cat", "", -1.0).why(-1)
    monkeypatch.setattr("safelight.interpret.guard.forbidden", lambda text: text == "the sea")
    [reading] = guard.worst(["the sea"])
    assert (reading.interpretation, reading.accepted(-1)) == ("", False)
    assert "hard-stop" in reading.entries


def test_what_is_not_finite_is_an_error(guard, monkeypatch):
    monkeypatch.setattr(Encoder, "states", lambda *_: torch.full((1, 1, 32), float("nan")))
    with pytest.raises(BadInput, match="states are not finite"):
        guard.worst(["a red cat"])


def test_a_sentence_encoder_of_nans_is_an_error(guard):
    broken = Guard(guard.encoder, guard.decoder, sentences=lambda texts: np.eye(4)[: len(texts)] + 0.1)
    object.__setattr__(broken, "sentences", lambda texts: np.full((len(texts), 2), np.nan))
    with pytest.raises(BadInput, match="zero or not finite"):
        broken.worst(["a red cat"])


def test_the_guarded_encoder_cannot_compare(guard):
    def own(texts):
        return guard.encoder.states(guard.encoder.windows(texts), "pooled_linear")[:, 0].numpy()

    with pytest.raises(BadInput, match="agree by construction"):
        Guard(guard.encoder, guard.decoder, sentences=own)


def test_calibration_takes_the_highest_threshold_that_keeps_the_share(guard):
    normal = [
        "a red cat",
        "two men",
        "the sea",
        "blue",
        "old cat",
        "men",
        "sea blue",
        "house",
        "a cat",
        "red",
    ]
    found = guard.calibrate(normal, 0.3)
    readings = guard.worst(normal)
    assert found.rejected == sum(not r.accepted(found.threshold) for r in readings) <= 3
    higher = min(r.similarity for r in readings if r.similarity > found.threshold)
    assert sum(not r.accepted(higher) for r in readings) > 3
    assert found.lo < found.rejected / 10 < found.hi
    assert found.n == 10


def test_calibration_needs_enough_prompts(guard):
    with pytest.raises(BadInput, match="needs at least 20 prompts"):
        guard.calibrate(["a cat"] * 19, 0.05)
    with pytest.raises(BadInput, match="target must be"):
        guard.calibrate(["a cat"] * 19, 0.0)
