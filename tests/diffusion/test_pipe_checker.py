"""In the place of diffusers' safety checker: the same answer where that one has one, and closed where not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from torch.nn.functional import normalize
from transformers import CLIPConfig, CLIPImageProcessorPil

from safelight.core.errors import BadInput, UnknownName
from safelight.core.nouns import Score
from safelight.core.ports import Preset, Reads
from safelight.diffusion import tiny
from safelight.diffusion.pipe_checker import PipeChecker
from safelight.judges.safety_checker import SafetyChecker

SIDE = 28
PREPARE = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SIDE)
VISION = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
    "image_size": SIDE, "patch_size": 7,
}  # fmt: skip


class Redness:
    """The mean of red, in [0, 1]: unsafe from a half on."""

    name, version, content_hash = "redness", "1", "0"
    labels, range = ("red",), (0.0, 1.0)
    reads: Reads = "image"
    presets: Mapping[str, Preset] = {"default": Preset(("red",), 0.5), "strict": Preset(("red",), 0.1)}

    def __init__(self, scale: float = 1.0):
        self.scale = scale

    def __call__(self, items: Sequence[Any]) -> list[Score]:
        return [Score({"red": self.scale * float(item[..., 0].mean()) / 255}) for item in items]


class Broken(Redness):
    def __call__(self, items: Sequence[Any]) -> list[Score]:
        raise RuntimeError("no memory")


def red(*levels: float) -> torch.Tensor:
    """Pictures in [-1, 1] of these levels of red in [0, 1]; not of one colour alone, which would be blank."""
    images = torch.full((len(levels), 3, 8, 8), -1.0)
    images[:, 0] = 2 * torch.tensor(levels)[:, None, None] - 1
    images[:, 1, 0, 0] = 0.5
    return images


def test_unsafe_pictures_come_out_black_and_what_came_in_stays():
    images = red(0.2, 0.8, 0.4)
    before = images.clone()
    shown, unsafe = PipeChecker(Redness())(clip_input=None, images=images)
    assert isinstance(shown, torch.Tensor)
    assert unsafe == [False, True, False]
    assert torch.equal(shown, before * torch.tensor([1, 0, 1])[:, None, None, None])
    assert torch.equal(images, before)
    assert PipeChecker(Redness(), "strict")(None, images)[1] == [True, True, True]
    assert PipeChecker(Redness(), Preset(("red",), 0.9))(None, images)[1] == [False, False, False]


def test_arrays_are_in_0_to_1_as_in_diffusers():
    images = (red(0.2, 0.8) / 2 + 0.5).permute(0, 2, 3, 1).numpy()
    shown, unsafe = PipeChecker(Redness())(None, images)
    assert unsafe == [False, True]
    np.testing.assert_array_equal(shown, images * np.array([1, 0])[:, None, None, None])


def test_what_cannot_be_judged_is_unsafe():
    images = red(0.2, 0.2)
    images[1, 2, 3, 3] = float("nan")
    shown, unsafe = PipeChecker(Redness())(None, images)
    assert unsafe == [False, True]
    assert not shown[1].any()
    assert PipeChecker(Redness(scale=float("nan")))(None, red(0.2))[1] == [True]
    assert PipeChecker(Redness(scale=-1.0))(None, red(0.2))[1] == [True]  # outside of its range
    shown, unsafe = PipeChecker(Broken())(None, red(0.2, 0.3))
    assert (unsafe, shown.any().item()) == ([True, True], False)
    assert "no memory" in PipeChecker(Broken()).scores(red(0.2))[0].detail


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(3, 8, 8),
        torch.zeros(1, 4, 8, 8),
        np.zeros((1, 3, 8, 8)),
        np.zeros((1, 8, 8, 3), np.uint8),
        None,
    ],
)
def test_what_is_no_batch_of_pictures_is_refused(images):
    with pytest.raises(BadInput, match="a pipeline's pictures"):
        PipeChecker(Redness())(None, images)


def test_an_unknown_preset_is_refused_at_once():
    with pytest.raises(UnknownName, match="strict"):
        PipeChecker(Redness(), "strickt")


def test_the_flags_of_diffusers_own_filter(tmp_path):
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        theirs: Any = StableDiffusionSafetyChecker(
            CLIPConfig(vision_config=dict(VISION), projection_dim=16)
        ).eval()
        images = torch.rand(40, 3, 40, 36) * 2 - 1
        pils = [Image.fromarray(x) for x in ((images + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()]
        x = torch.as_tensor(PREPARE(pils, return_tensors="pt").pixel_values)
        v = normalize(theirs.visual_projection(theirs.vision_model(x)[1]))
        theirs.concept_embeds.normal_()
        theirs.special_care_embeds.normal_()
        cos = v @ normalize(theirs.concept_embeds).T
        theirs.concept_embeds_weights.copy_(cos.quantile(0.96, dim=0))
        theirs.special_care_embeds_weights.copy_(
            (v @ normalize(theirs.special_care_embeds).T).quantile(0.9, dim=0)
        )
    theirs.save_pretrained(tmp_path)
    shown, unsafe = PipeChecker(SafetyChecker(tmp_path))(x, images)
    expected, flags = theirs(x, images.clone())
    assert unsafe == flags
    assert 5 < sum(flags) < 35
    assert isinstance(shown, torch.Tensor)
    assert torch.equal(shown, expected)


def test_in_a_pipeline():
    pipe = tiny.sd()
    pipe.feature_extractor = PREPARE
    ask: Any = {"num_inference_steps": 2, "output_type": "np"}
    for judge, blocked in ((Redness(scale=0.0), False), (Broken(), True)):
        pipe.safety_checker = PipeChecker(judge)
        pipe.to("cpu")
        out = pipe(["a cat", "a dog"], generator=torch.Generator().manual_seed(0), **ask)
        assert out.nsfw_content_detected == [blocked, blocked]
        assert out.images.any() != blocked
