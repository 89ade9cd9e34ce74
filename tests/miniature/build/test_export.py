"""What ships is a plain diffusers folder, judges beside it, and nothing of the machine it was made on."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from safelight.core.errors import Damaged, SafelightError
from safelight.diffusion import miniature_nets as nets
from safelight.diffusion.whole import verify
from safelight.judges.immorality import Head
from safelight.miniature import clip as clips
from safelight.miniature import oracle as oracles
from safelight.miniature.build import clip, export, immorality
from safelight.miniature.build.tokenizer import clip_tokenizer

LOG = (
    '{"start": 0}\n{"step": 50, "seconds": 7.1}\n{"start": 50}\n{"step": 90, "seconds": 9.3}\n{"start": 90}\n'
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A build folder as the stages leave it, of untrained networks."""
    build = tmp_path_factory.mktemp("build")
    tokenizer = clip_tokenizer(["a red cat at night"] * 20, build / "tokenizer")
    torch.manual_seed(0)
    net = clip.network(tokenizer).half().float()
    net.save_pretrained(build / "clip" / "net")
    nets.autoencoder().save_pretrained(build / "decoder" / "net")
    nets.unet().save_pretrained(build / "unet" / "net")
    for folder in export.LOGS.values():
        (build / folder).mkdir(parents=True, exist_ok=True)
        (build / folder / "log.jsonl").write_text(LOG)
    for architecture in ("A", "B"):
        net_path = build / "oracle" / f"{architecture.lower()}.safetensors"
        oracles.Oracle(architecture, {"bare": ("no", "yes")}).save(net_path)
    (build / "immorality").mkdir()
    immorality.save(Head(128), build / "immorality" / "head.safetensors")
    (build / "vae" / "done.json").write_text('{"stage": "vae", "seconds": 2.0, "psnr": 33.0}')
    measures = export.export(build, build / "out", ["vae"])
    return build / "out", net, measures, build


def test_it_is_small_and_whole(built):
    folder, _, measures, build = built
    assert measures["megabytes"] < 20
    verify(folder)
    sums = json.loads((folder / "checksums.json").read_text())
    on_disk = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert on_disk - set(sums) == {"checksums.json"}
    texts = [path.read_text() for path in folder.rglob("*.json")]
    assert not any(str(build) in text for text in texts)


def test_plain_diffusers_draws_with_it(built):
    pipe: Any = StableDiffusionPipeline.from_pretrained(built[0], dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    picture = pipe("a red cat", num_inference_steps=2, output_type="np").images[0]
    assert picture.shape == (64, 64, 3)
    assert np.isfinite(picture).all()
    assert type(pipe.scheduler).__name__ == "DDIMScheduler"
    assert (pipe.scheduler.config.steps_offset, pipe.scheduler.config.set_alpha_to_one) == (1, False)


def test_clip_comes_back_from_its_two_halves(built):
    folder, net, _, _ = built
    whole = clips.load(folder)
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    net.eval()
    with torch.no_grad():
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
        torch.testing.assert_close(whole.images(images), net.get_image_features(pixel_values=x).pooler_output)
        ids = whole.tokenizer(["a red cat"], return_tensors="pt").input_ids
        expected = net.get_text_features(input_ids=ids).pooler_output
    torch.testing.assert_close(whole.texts(["a red cat"]), expected, rtol=1e-4, atol=1e-5)


def test_the_recipe_and_its_measures_travel_along(built):
    about = json.loads((built[0] / "build.json").read_text())
    [vae] = about["stages"]
    assert vae == {"stage": "vae", "seconds": 9.3, "psnr": 33.0}  # of all its calls
    assert about["recipe"]["UNET"]["batch"] == 64
    assert json.loads((built[0] / "safelight.json").read_text())["guidance"] == 5.0


def test_a_model_too_large_to_ship_is_refused(built, monkeypatch):
    monkeypatch.setattr(export, "LARGEST", 1e6)
    with pytest.raises(SafelightError, match="more than the 1 MB"):
        export.export(built[3], built[3] / "large", ["vae"])


def test_an_altered_file_is_found(built, tmp_path, monkeypatch):
    from safelight.miniature import weights

    monkeypatch.setattr(weights, "FOLDER", built[0])
    weights.check("oracle/a.safetensors")
    with pytest.raises(Damaged, match="cannot be checked"):
        weights.check("oracle/c.safetensors")
    path = built[3] / "large" / "oracle" / "a.safetensors"
    monkeypatch.setattr(weights, "FOLDER", built[3] / "large")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Damaged, match="sha256 differs"):
        weights.check("oracle/a.safetensors")
