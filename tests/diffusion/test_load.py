from __future__ import annotations

import inspect
import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from safelight.core.errors import BadInput, Damaged, UnknownName
from safelight.core.nouns import Cap
from safelight.diffusion import load as module
from safelight.diffusion import tiny
from safelight.diffusion.load import SETTINGS, load
from safelight.diffusion.whole import CHECKSUMS

DEFAULTS = {"solver": "dpm++", "steps": 4, "guidance": 5.0, "height": 16, "width": 16, "dtype": "float32"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny"
    tiny.sd().save_pretrained(path)
    (path / SETTINGS).write_text(json.dumps({**DEFAULTS, "judges": ["oracle"]}))
    return path


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def checksums(folder):
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.safetensors")
    }


def test_a_folder_brings_its_defaults_and_the_same_pictures(folder, generator):
    model = load(folder, device="cpu")
    assert (model.name, model.family, model.kind, model.judges) == (str(folder), "sd", "epsilon", ("oracle",))
    assert {name: getattr(model.sampling, name) for name in DEFAULTS} == DEFAULTS
    (ours,), (live,) = (m.run(["a cat"], [0], (), model.sampling) for m in (model, generator))
    assert torch.equal(ours.latent, live.latent)
    assert ours.image is not None


def test_the_hash_is_of_the_weights(folder, copy, generator):
    assert load(folder).content_hash == load(copy, dtype="bfloat16").content_hash
    assert generator.content_hash == load(tiny.sd()).content_hash != load(tiny.sd(seed=1)).content_hash


def test_bfloat16_is_nearly_the_same_picture(folder):
    full, half = load(folder), load(folder, dtype="bfloat16")
    assert half.sampling.dtype == "bfloat16"
    a, b = (np.asarray(model.run(["a cat"], [0])[0].image, dtype=int) for model in (full, half))
    assert 0 < np.abs(a - b).mean() < 4


def test_a_truncated_file_is_named(copy):
    weights = next(copy.glob("unet/*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(Damaged, match=r"unet.*safetensors is truncated.*fetch it again"):
        load(copy)


def test_an_altered_or_missing_file_is_named(copy):
    (copy / CHECKSUMS).write_text(json.dumps(checksums(copy)))
    load(copy)
    weights = next(copy.glob("vae/*.safetensors"))
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(Damaged, match=r"vae.*is not the file that was shipped"):
        load(copy)
    weights.unlink()
    with pytest.raises(Damaged, match=r"vae.*is missing"):
        load(copy)


def test_pickled_weights_are_not_loaded(copy):
    weights = next(copy.glob("unet/*.safetensors"))
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(Damaged, match="does not load"):
        load(copy)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize("damage", ["a tensor is gone", "a tensor is renamed", "a tensor has another shape"])
def test_weights_that_the_libraries_would_make_up_are_no_model(copy, part, damage):
    [path] = copy.glob(f"{part}/*.safetensors")
    tensors = load_file(path)
    name = next(name for name in sorted(tensors) if tensors[name].ndim == 2)
    tensor = tensors.pop(name)
    if damage == "a tensor is renamed":
        tensors["other"] = tensor
    if damage == "a tensor has another shape":
        tensors[name] = tensor[:-1].contiguous()
    save_file(tensors, path, {"format": "pt"})
    named = name.removeprefix("text_model.")
    said = "does not load .*: fetch" if damage.endswith("shape") else f"lacks weights .{named}.: fetch"
    with pytest.raises(Damaged, match=f"copy {said} it again"):
        load(copy)


@pytest.mark.parametrize("part", ["tokenizer", "scheduler", "text_encoder"])
def test_a_part_without_files_is_named(copy, part):
    shutil.rmtree(copy / part)
    with pytest.raises(Damaged, match=f"{part} has no files.*fetch it again"):
        load(copy)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("model_index.json", "{"),
        ("model_index.json", "[]"),
        ("model_index.json", '{"_class_name": "Nope"}'),
        ("unet/config.json", "{"),
        ("unet/config.json", "{}"),
        ("tokenizer/tokenizer.json", "{"),
        (CHECKSUMS, "[]"),
    ],
)
def test_a_damaged_description_is_a_sentence(copy, file, text):
    (copy / file).write_text(text)
    with pytest.raises(Damaged, match=f"{Path(file).name}|does not load .*: fetch it again"):
        load(copy)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"stepps": 3}', '{"steps": 0}', '{"dtype": "float8"}', '{"judges": 3}']
)
def test_broken_defaults_are_named(copy, text):
    (copy / SETTINGS).write_text(text)
    with pytest.raises((BadInput, Damaged), match=r"safelight.json|steps"):
        load(copy)


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        ("minature", UnknownName, "unknown model 'minature'. Did you mean 'miniature'"),
        ("", UnknownName, "unknown model ''"),
        ("./nowhere", BadInput, r"there is no folder \./nowhere: name one in diffusers layout"),
        ("~/nowhere", BadInput, "there is no folder ~/nowhere"),
        ("/nowhere/at/all", BadInput, "there is no folder /nowhere/at/all"),
        ("a/b/c", BadInput, "there is no folder a/b/c"),
        (Path("nobody/nothing"), BadInput, "there is no folder nobody/nothing"),
        (Path("nowhere"), BadInput, "there is no folder nowhere"),
        ("nobody/nothing", BadInput, "'nobody/nothing' is no folder here, and the hub did not give it"),
        (3, BadInput, "int is of no family that safelight can drive"),
    ],
)
def test_unknown_models(model, error, said):
    with pytest.raises(error, match=said):
        load(model)


def test_a_folder_that_is_no_model(tmp_path):
    with pytest.raises(BadInput, match=r"has no model_index\.json"):
        load(tmp_path)


def test_another_family_is_refused():
    inpainting = tiny.sd()
    inpainting.unet = diffusers.UNet2DConditionModel(**{**inpainting.unet.config, "in_channels": 9})
    with pytest.raises(BadInput, match="StableDiffusionPipeline is of no family"):
        load(inpainting)


@pytest.mark.parametrize(
    "change", [{"in_channels": 9}, {"time_cond_proj_dim": 256}, {"encoder_hid_dim_type": "ip_image_proj"}]
)
def test_networks_that_want_more_are_refused_with_the_name_of_every_family(change):
    for pipe in (tiny.sd(), tiny.sdxl()):
        pipe.unet.register_to_config(**change)
        with pytest.raises(BadInput, match=r"Diffusion 1 and 2 .*Diffusion XL.*Diffusion 3.*Flux\.1"):
            load(pipe)


@pytest.mark.parametrize("family", ["sdxl", "sd3", "flux"])
def test_a_folder_of_another_family(family, tmp_path):
    pipe = tiny.FAMILIES[family]()
    pipe.save_pretrained(tmp_path)
    live, saved = load(pipe), load(tmp_path, device="cpu")
    assert saved.family == family
    assert saved.sampling == live.sampling
    called = inspect.signature(pipe.__call__).parameters
    guidance = called["true_cfg_scale" if family == "flux" else "guidance_scale"].default
    assert live.sampling.steps == called["num_inference_steps"].default
    assert live.sampling.guidance == guidance
    assert live.sampling.height == pipe.default_sample_size * pipe.vae_scale_factor
    assert live.sampling.solver == ("euler" if family == "sdxl" else "flow-match-euler")
    small = replace(live.sampling, steps=2, height=16, width=16)
    (one,), (two,) = (model.run(["a cat"], [0], (), small) for model in (live, saved))
    # Weights mapped from a file start at other addresses, and products of matrices round by address.
    assert torch.allclose(one.latent, two.latent, rtol=1e-4, atol=1e-5)
    assert one.image is not None


def test_a_folder_says_what_guidance_its_network_is_fed(tmp_path):
    tiny.flux().save_pretrained(tmp_path)
    (tmp_path / SETTINGS).write_text('{"embedded_guidance": 2, "height": 32, "width": 32}')
    model = load(tmp_path, device="cpu")
    assert model.backbone.inputs == {"embedded_guidance": 2.0}
    assert (model.sampling.height, model.sampling.guidance) == (32, 1.0)


def test_a_folder_without_such_an_input_cannot_set_it(copy):
    (copy / SETTINGS).write_text('{"embedded_guidance": 2}')
    with pytest.raises(BadInput, match="embedded_guidance"):
        load(copy)


@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_offloading_needs_a_gpu_to_offload_from(folder, offload):
    with pytest.raises(
        BadInput, match=f"offload='{offload}' saves a GPU's memory, and the device is the CPU"
    ):
        load(folder, device="cpu", offload=offload)


def test_unknown_offloading(folder):
    with pytest.raises(BadInput, match="offload must be one of model, sequential, or None, got 'disk'"):
        load(folder, offload="disk")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("options", [{"offload": "model"}, {"vae_tiling": True}])
def test_a_live_pipeline_is_not_rearranged(options):
    with pytest.raises(BadInput, match="a live pipeline stays as it is"):
        load(tiny.sd(), **options)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_networks_that_take_turns_give_the_same_picture(family):
    """The hooks of offloading whole networks, with the CPU in the place of a GPU."""
    pipe = tiny.FAMILIES[family]()
    small = replace(load(pipe).sampling, steps=2, height=16, width=16)
    (plain,) = load(pipe).run(["a cat"], [0], (), small)
    pipe.enable_model_cpu_offload(device="cpu")
    offloaded = load(pipe)
    assert Cap.WEIGHTS in offloaded.caps
    (picture,) = offloaded.run(["a cat"], [0], (), small)
    assert torch.equal(picture.latent, plain.latent)
    assert picture.image is not None
    assert picture.image.tolist() == plain.image.tolist()  # pyright: ignore[reportOptionalMemberAccess]


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_no_method_may_touch_weights_that_come_and_go_by_layer(family):
    pipe = tiny.FAMILIES[family]()
    before = load(pipe)
    digest = before.content_hash
    pipe.enable_sequential_cpu_offload(device="cpu")
    offloaded = load(pipe)
    assert offloaded.content_hash == digest
    assert before.caps - offloaded.caps == {Cap.WEIGHTS, Cap.GRAD}
    assert (offloaded.backbone.device.type, offloaded.backbone.dtype) == ("cpu", torch.float32)


def test_tiles_are_pieces_of_the_same_picture(folder):
    whole, tiled = load(folder, device="cpu"), load(folder, device="cpu", vae_tiling=True)
    vae = tiled.backbone.parts["vae"]
    assert vae.use_tiling  # pyright: ignore
    assert vae.use_slicing  # pyright: ignore
    large = replace(whole.sampling, steps=2, height=48, width=48)
    (one,), (two,) = (model.run(["a cat"], [0], (), large) for model in (whole, tiled))
    assert torch.equal(one.latent, two.latent)
    assert two.image is not None
    assert two.image.shape == (48, 48, 3)


def test_unknown_dtype():
    with pytest.raises(BadInput, match="dtype must be one of float32, bfloat16, float16"):
        load("miniature", dtype="float8")


def test_a_miniature_without_weights_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MINIATURE", tmp_path)
    with pytest.raises(Damaged, match="install safelight again"):
        load("miniature")
