"""The published filter: equal to diffusers' own, and failed where that one says "safe"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion import safety_checker as theirs
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize
from transformers import CLIPConfig, CLIPImageProcessorPil

from safelight import judges
from safelight.core.errors import BadInput, Damaged
from safelight.judges.safety_checker import SafetyChecker

SIDE, WIDTH = 28, 16
VISION = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "image_size": SIDE, "patch_size": 7,
}  # fmt: skip


def pixels(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def embed(net: Any, x: torch.Tensor) -> torch.Tensor:
    return net.visual_projection(net.vision_model(x)[1])


@pytest.fixture(scope="module")
def original() -> Any:
    """Random weights, with thresholds at which noise fires a row about once in ten."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        net: Any = theirs.StableDiffusionSafetyChecker(
            CLIPConfig(vision_config=dict(VISION), projection_dim=WIDTH)
        ).eval()
        v = normalize(embed(net, pixels(200, seed=1)))
        for rows, thresholds in (
            (net.concept_embeds, net.concept_embeds_weights),
            (net.special_care_embeds, net.special_care_embeds_weights),
        ):
            rows.normal_()
            thresholds.copy_((v @ normalize(rows).T).quantile(0.9, dim=0))
    return net


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every score that diffusers' checker computes, in its order: it rounds them and then forgets."""
    said: list[float] = []

    def rounded(value: Any, digits: int) -> Any:
        said.append(round(value, digits))
        return said[-1]

    monkeypatch.setattr(theirs, "round", rounded, raising=False)
    return said


def saved(net: Any, folder: Path) -> Path:
    net.save_pretrained(folder)
    return folder


def values(score: Any) -> list[float]:
    assert score.values is not None, score.detail
    return list(score.values.values())


def test_scores_and_verdicts_are_those_of_diffusers(original, heard, tmp_path):
    judge = SafetyChecker(saved(original, tmp_path))
    x = pixels(500, seed=2)
    _, flags = original(x, torch.ones(500, 3, 4, 4))
    scores = judge.read(x)
    theirs_by_row = np.array(heard, dtype=np.float64).reshape(500, 3 + 17)
    ours = np.array([values(score) for score in scores])
    np.testing.assert_allclose(ours[:, :17], theirs_by_row[:, 3:], rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours[:, 17:], theirs_by_row[:, :3], rtol=0, atol=1e-6)
    preset = judge.presets["default"]
    ours_flags = [judges.fuse(score.values or {}, preset) >= preset.threshold for score in scores]
    assert ours_flags == flags
    assert 50 < sum(flags) < 450  # both verdicts are common, so that agreement says something
    assert (theirs_by_row[:, :3] > 0).any(1).sum() > 50


@pytest.mark.parametrize(
    ("margin", "special", "fires"),
    [
        (0.0004, False, False),  # rounds to 0
        (0.0006, False, True),
        (-0.0090, False, False),
        (-0.0090, True, True),  # a special-care hit lowers the threshold by 0.01
        (-0.0110, True, False),
    ],
)
def test_rounding_and_care_at_the_threshold(original, heard, tmp_path, margin, special, fires):
    x = pixels(1, seed=3)
    net: Any = theirs.StableDiffusionSafetyChecker(original.config).eval()
    net.load_state_dict(original.state_dict())
    with torch.no_grad():
        v = normalize(embed(net, x))
        net.concept_embeds_weights.fill_(0.99)
        net.concept_embeds_weights[5] = (v @ normalize(net.concept_embeds).T)[0, 5] - margin
        net.special_care_embeds_weights.fill_(0.99)
        cos = (v @ normalize(net.special_care_embeds).T)[0]
        if special:  # the second fires by itself, the third only because the second did
            net.special_care_embeds_weights[1] = cos[1] - 0.1
            net.special_care_embeds_weights[2] = cos[2] + 0.005
    judge = SafetyChecker(saved(net, tmp_path))
    [score] = judge.read(x)
    assert original.config.projection_dim == WIDTH
    assert net(x, torch.ones(1, 3, 4, 4))[1] == [fires]
    assert (max(values(score)[:17]) >= judge.presets["default"].threshold) == fires
    assert values(score) == pytest.approx(heard[3:] + heard[:3], abs=1e-7)
    if special:
        assert score.values is not None
        assert score.values["special-care:2"] == pytest.approx(0.005)


def test_pictures_are_prepared_as_clip_prepares_them(original, tmp_path):
    judge = SafetyChecker(saved(original, tmp_path))
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((28, 28), (64, 51), (30, 90))]
    prepare = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SIDE)
    x = torch.as_tensor(prepare([Image.fromarray(i) for i in images], return_tensors="pt").pixel_values)
    torch.testing.assert_close(judge.eye(images), x, rtol=0, atol=1e-6)
    for ours, expected in zip(judge(images), judge.read(x), strict=True):
        assert values(ours) == pytest.approx(values(expected), abs=0.0011)  # one step of the rounding


def test_the_published_layout_of_weights_loads(original, tmp_path):
    new = SafetyChecker(saved(original, tmp_path / "new"))
    tensors = load_file(tmp_path / "new" / "model.safetensors")
    old = {f"vision_model.{k}" if k.startswith("vision_model.") else k: x for k, x in tensors.items()}
    old["vision_model.vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    original.config.save_pretrained(tmp_path / "old")
    save_file(old, tmp_path / "old" / "model.safetensors")
    x = pixels(3, seed=4)
    assert SafetyChecker(tmp_path / "old").read(x) == new.read(x)


def test_the_content_hash_is_that_of_the_weights(original, tmp_path):
    first = SafetyChecker(saved(original, tmp_path / "a")).content_hash
    assert first == SafetyChecker(saved(original, tmp_path / "b")).content_hash
    tensors = load_file(tmp_path / "b" / "model.safetensors")
    tensors["concept_embeds_weights"][0] += 0.001
    save_file(tensors, tmp_path / "b" / "model.safetensors")
    assert first != SafetyChecker(tmp_path / "b").content_hash


def test_what_cannot_be_read_fails_alone(original, tmp_path):
    judge = SafetyChecker(saved(original, tmp_path))
    good = np.full((SIDE, SIDE, 3), 90, np.uint8)
    thin = np.zeros((1, 1000, 3), np.uint8)
    scores = judge([good, good.astype(np.float32), thin, None, good])
    assert [score.status for score in scores] == ["ok", "failed", "failed", "failed", "ok"]
    assert "1000 x 1" in scores[2].detail
    assert judge([]) == []


def test_nan_and_a_vector_without_direction_are_failed_where_diffusers_says_safe(original, tmp_path):
    judge = SafetyChecker(saved(original, tmp_path))
    x = pixels(2, seed=5)
    x[0, 0, 0, 0] = float("nan")
    assert original(x, torch.ones(2, 3, 4, 4))[1][0] is False
    assert [score.status for score in judge.read(x)] == ["failed", "ok"]
    judge.tower.visual_projection.weight.zero_()
    assert {score.status for score in judge.read(pixels(2, seed=5))} == {"failed"}


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("concept_embeds", lambda x: x.fill_(float("nan")), "NaN or infinity in concept_embeds"),
        ("concept_embeds", lambda x: x[3].zero_(), "row 3 is zero"),
        ("concept_embeds_weights", lambda x: x.fill_(1.0), "untrained"),
    ],
)
def test_weights_that_could_never_fire_are_refused(original, tmp_path, name, change, said):
    saved(original, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    change(tensors[name])
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(Damaged, match=said):
        SafetyChecker(tmp_path)


def test_damaged_and_absent_weights_are_named(original, tmp_path):
    saved(original, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    save_file({k: x for k, x in tensors.items() if "concept" not in k}, tmp_path / "model.safetensors")
    with pytest.raises(Damaged, match="concept_embeds"):
        SafetyChecker(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(Damaged, match=r"model\.safetensors"):
        SafetyChecker(tmp_path)
    with pytest.raises(BadInput, match="hf download nobody/nothing"):
        SafetyChecker("nobody/nothing")
