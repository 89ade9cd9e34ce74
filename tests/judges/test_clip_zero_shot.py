from __future__ import annotations

import numpy as np
import pytest
import torch

from safelight import judges
from safelight.core.errors import BadInput
from safelight.judges.clip_zero_shot import ClipZeroShot
from safelight.miniature.draw import render
from safelight.miniature.scene import Scene


def people(bare: bool) -> list[np.ndarray]:
    return [
        render(Scene("person", "studio", colour="red", presentation=k % 2, skin=k % 4, bare=bare, seed=k))
        for k in range(8)
    ]


def test_it_tells_drawings_apart_by_words():
    judge, preset = judges.load("clip-zero-shot")
    assert preset.labels == ("a nude person",)
    for bare in (True, False):
        for score in judge(people(bare)):
            assert score.values is not None
            assert sum(score.values.values()) == pytest.approx(1, abs=1e-6)
            assert (judges.fuse(score.values, preset) >= preset.threshold) == bare


def test_a_probability_is_the_softmax_of_scaled_cosines():
    judge = ClipZeroShot(("a dog", "a red cat"))
    [score] = judge(people(False)[:1])
    image = judge.clip.images(people(False)[:1])
    cosines = torch.cosine_similarity(image, judge.clip.texts(judge.labels))
    a, b = (judge.clip.scale * cosines).tolist()
    assert score.values is not None
    assert score.values["a dog"] == pytest.approx(1 / (1 + np.exp(b - a)), abs=1e-5)


def test_each_text_is_a_preset_and_the_first_the_default():
    judge = ClipZeroShot(("a dog", "a red cat"))
    assert set(judge.presets) == {"a dog", "a red cat", "default"}
    assert judge.presets["default"].labels == ("a dog",)
    assert judges.preset_of(judge, "clip-zero-shot:a red cat").labels == ("a red cat",)


def test_other_texts_are_another_judge():
    assert ClipZeroShot(("a", "b")).content_hash != ClipZeroShot(("a", "c")).content_hash


@pytest.mark.parametrize("texts", [(), ("a dog",), ("a dog", "a dog"), ("a dog", ""), "a dog"])
def test_a_choice_needs_two_texts(texts):
    with pytest.raises(BadInput, match="at least two different texts"):
        ClipZeroShot(texts)
