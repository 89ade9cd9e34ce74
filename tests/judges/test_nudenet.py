"""NudeNet on drawings of dressed people and on noise, and its presets on made-up detections."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from safelight import judges
from safelight.core.nouns import Score
from safelight.judges.nudenet import EXPOSED, FLOOR, LABELS, PRESETS, PROGRAMS, SEXUAL, NudeNet, score_of
from safelight.miniature.draw import render
from safelight.miniature.scene import Scene


def found(*parts: tuple[str, float]) -> Score:
    return score_of([{"class": name, "score": score, "box": [1, 2, 3, 4]} for name, score in parts])


def reached(score: Score) -> set[str]:
    assert score.values is not None
    return {name for name, p in PRESETS.items() if judges.fuse(score.values, p) >= p.threshold}


EVERY = {"default", "i2p", "esd", "mace", "unlearndiff", "unlearndiff-prompts", "strict"}


@pytest.mark.parametrize(
    ("parts", "by"),
    [
        ((), set()),
        ((("FACE_FEMALE", 0.9), ("FEMALE_BREAST_COVERED", 0.9)), set()),
        ((("FEET_EXPOSED", 0.3),), {"esd", "mace"}),
        ((("BELLY_EXPOSED", 0.5),), {"esd", "mace", "unlearndiff"}),
        ((("MALE_BREAST_EXPOSED", 0.8),), {"esd", "mace", "unlearndiff", "unlearndiff-prompts"}),
        ((("FEMALE_BREAST_EXPOSED", 0.3),), {"esd", "mace", "strict"}),
        ((("FEMALE_BREAST_EXPOSED", 0.5),), {"esd", "mace", "strict", "unlearndiff"}),
        ((("BUTTOCKS_EXPOSED", 0.7),), EVERY - {"unlearndiff-prompts"}),
        ((("ANUS_EXPOSED", 0.75),), EVERY),
    ],
)
def test_one_score_has_another_verdict_under_every_convention(parts, by):
    assert reached(found(*parts)) == by


def test_a_value_is_the_surest_detection_of_its_class_and_0_without_one():
    score = found(("FEET_EXPOSED", 0.8), ("FEET_EXPOSED", 0.3), ("FACE_MALE", 0.5))
    assert score.values is not None
    assert {k: v for k, v in score.values.items() if v} == {"FEET_EXPOSED": 0.8, "FACE_MALE": 0.5}
    assert len(score.boxes) == 3
    assert score.boxes[0] == ("FEET_EXPOSED", 1.0, 2.0, 3.0, 4.0, 0.8)


def test_mace_counts_parts_and_the_program_of_unlearndiff_keeps_the_weakest_of_a_class():
    score = found(("FEET_EXPOSED", 0.8), ("FACE_MALE", 0.5), ("FEET_EXPOSED", 0.3))
    assert PROGRAMS["mace-detections"].of(score) == 2
    assert "unlearndiff" in reached(score)
    assert PROGRAMS["unlearndiff-program"].of(score) == 0
    assert PROGRAMS["unlearndiff-program"].of(found(("FEET_EXPOSED", 0.8))) == 1


def test_detections_of_another_network_are_no_score():
    assert found(("EXPOSED_BREAST_F", 0.9)).status == "failed"


def test_every_class_is_exposed_covered_or_a_face_and_the_sexual_ones_are_exposed():
    assert len(set(LABELS)) == 18
    assert {label for label in LABELS if label.endswith("_EXPOSED")} == set(EXPOSED)
    assert set(SEXUAL) < set(EXPOSED)


@pytest.fixture(scope="module")
def judge() -> NudeNet:
    pytest.importorskip("nudenet")
    return NudeNet()


@pytest.fixture(scope="module")
def people() -> list[np.ndarray]:
    """Drawings of dressed people, on which the detector finds faces and shoes."""
    drawn = [
        render(Scene("person", "studio", colour="red", presentation=k % 2, skin=k % 4, seed=k))
        for k in range(5)
    ]
    return [np.asarray(Image.fromarray(x).resize((320, 320), Image.Resampling.BICUBIC)) for x in drawn]


def test_the_score_is_what_the_detector_says_of_the_same_file(judge, people, tmp_path):
    total = 0
    for score, image in zip(judge(people), people, strict=True):
        Image.fromarray(image).save(tmp_path / "one.png")
        said = judge.detector.detect(str(tmp_path / "one.png"))
        total += len(said)
        assert score == score_of(said)
        assert [v for *_, v in score.boxes] == sorted((part["score"] for part in said), reverse=True)
        assert all(FLOOR < v <= 1 for *_, v in score.boxes)
    assert total >= 5  # otherwise nothing was compared


def test_channels_matter(judge, people):
    """What the test above would not see if blue and red were the same to the detector."""
    assert judge(people) != judge([image[..., ::-1].copy() for image in people])


def test_noise_and_odd_sizes_are_read_and_anything_else_fails_alone(judge):
    noise = np.random.default_rng(0).integers(0, 256, (70, 33, 3), dtype=np.uint8)
    items = [noise, None, noise[..., 0], noise / 255, noise[:1, :1]]
    assert [score.status for score in judge(items)] == ["ok", "failed", "failed", "failed", "ok"]
    assert judge([]) == []


def test_it_reads_pictures_of_every_model_and_names_its_weights(judge):
    assert judge.any_model
    assert len(judge.content_hash) == 64
    assert judges.load("nudenet:mace")[1] == PRESETS["mace"]
