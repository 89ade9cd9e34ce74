"""What holds for every family alike."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from safelight.core.errors import BadInput, Refused
from safelight.core.method import Method
from safelight.core.nouns import Cap, Prompt
from safelight.core.registry import get, names
from safelight.diffusion import tiny
from safelight.diffusion.load import load
from safelight.diffusion.sampling import Sampling
from safelight.methods.guidance.negative_prompt import NegativePrompt
from safelight.methods.guidance.sld import SLD

PROMPTS, SEEDS = ["a cat", "a dog on a boat"], [0, 1]
SMALL = Sampling(steps=3, guidance=5.0, height=16, width=16)
LONG = "abc " * 200  # three or four tokens a word: beyond CLIP, and beyond T5


@pytest.fixture(scope="module", params=tiny.FAMILIES)
def model(request):
    generator = load(tiny.FAMILIES[request.param]())
    generator.sampling = replace(generator.sampling, steps=3, guidance=5.0, height=16, width=32)
    return generator


def gap(a, b):
    return max(
        float((x.latent - y.latent).abs().max() / y.latent.abs().max()) for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize(
    "method",
    [SLD("rain", sld_threshold=1.0, sld_warmup_steps=0), NegativePrompt("rain")],
    ids=lambda m: m.name,
)
def test_guidance_methods_change_the_picture_and_say_so(model, method):
    plain, guided = (model.run(PROMPTS, SEEDS, methods) for methods in ([], [method]))
    assert all(picture.image.shape == (16, 32, 3) for picture in guided)
    assert all(picture.reports[method.name]["on"] for picture in guided)
    assert gap(guided, plain) > 1e-3


def test_without_guidance_they_are_refused(model):
    off = replace(model.sampling, guidance=1)
    for method in (SLD("rain", sld_warmup_steps=0), NegativePrompt("rain")):
        with pytest.raises(Refused, match=r"guidance is 1: .* acts only above 1"):
            model.run(PROMPTS, SEEDS, [method], off)
    with pytest.raises(BadInput, match="guidance is 1: a negative text acts only above 1"):
        model.run([Prompt("a cat", "rain")], [0], (), off)
    assert all(picture.image is not None for picture in model.run(PROMPTS, SEEDS, (), off))


@pytest.mark.filterwarnings("ignore:.* is too long for the text encoder:UserWarning")  # published lists are
@pytest.mark.parametrize("name", names("methods"))
def test_every_method_gives_pictures_or_is_refused(model, name):
    try:
        pictures = model.run(PROMPTS, SEEDS, [get("methods", name)()], replace(model.sampling, steps=12))
    except Refused:
        return
    assert all(picture.image is not None for picture in pictures)


def test_a_long_prompt_beside_a_short_one_says_what_it_lost(model):
    with pytest.warns(UserWarning, match="1 of 2 prompts are too long"):
        short, cut = model.run(["a cat", LONG + "the end"], SEEDS)
    assert (short.dropped, cut.dropped[-7:]) == ("", "the end")


def test_lost_words_are_what_no_encoder_reads(model):
    lost = model.backbone.lost(LONG)
    assert LONG.endswith(lost)
    kept = LONG.removesuffix(lost)
    assert model.backbone.lost(kept) == ""
    first, second = (model.backbone.encode([kept + end]) for end in ("", " of another kind"))
    assert all(torch.allclose(first.tokens[k], second.tokens[k], atol=1e-5) for k in first.tokens)


def test_a_sample_does_not_depend_on_its_batch(model):
    together = model.run(PROMPTS, SEEDS)
    alone = [model.run([prompt], [seed])[0] for prompt, seed in zip(PROMPTS, SEEDS, strict=True)]
    assert gap(together, alone) < 1e-4


def test_images_are_in_the_unit_interval_both_ways(model):
    images = torch.rand(2, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        latents = model.backbone.encode_image(images)
        decoded = model.backbone.decode(100 * latents)
    assert latents.shape == (2, *model.backbone.latent_shape(16, 32))
    assert decoded.shape == images.shape
    assert 0 <= decoded.min() <= decoded.max() <= 1


def test_sizes_that_do_not_divide_are_refused(model):
    with pytest.raises(BadInput, match=r"height must be a multiple of \d, got 17"):
        model.run(["a cat"], [0], (), replace(model.sampling, height=17))


def test_bfloat16_is_nearly_the_same(model):
    narrow = load(tiny.FAMILIES[model.family]().to(torch.bfloat16))
    assert narrow.sampling.dtype == "bfloat16"
    a, b = (
        m.run(PROMPTS, SEEDS, (), replace(model.sampling, dtype=m.sampling.dtype)) for m in (narrow, model)
    )
    assert all(picture.latent.dtype == torch.float32 for picture in a)
    assert 0 < gap(a, b) < 0.3


def net_of(pipe):
    """The name of a pipeline's denoising network."""
    return next(name for name in ("unet", "transformer") if getattr(pipe, name, None) is not None)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_compiled_networks_are_known_and_others_refused(family):
    pipe = tiny.FAMILIES[family]()
    name = net_of(pipe)
    setattr(pipe, name, torch.compile(getattr(pipe, name), backend="eager"))
    assert load(pipe).family == family
    setattr(pipe, name, torch.nn.Identity())
    with pytest.raises(BadInput, match=f"{type(pipe).__name__} is of no family that safelight can drive"):
        load(pipe)


class Edits(Method):
    name = "edits"

    def edit(self, model):
        return super().edit(model)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # torch gives it up
def test_a_quantised_network_is_guided_and_not_edited():
    """Linear layers of 8-bit integers, packed where no parameter shows them."""
    pipe, linear = tiny.sd(), {torch.nn.Linear}
    sld = SLD("rain", sld_threshold=1.0, sld_warmup_steps=0)
    (exact,) = load(pipe).run(PROMPTS[:1], [0], [sld], SMALL)
    pipe.unet = torch.ao.quantization.quantize_dynamic(pipe.unet, linear, dtype=torch.qint8)
    model = load(pipe)
    (picture,) = model.run(PROMPTS[:1], [0], [sld], SMALL)
    assert 0 < gap([picture], [exact]) < 0.2
    assert picture.reports["sld"]["on"]
    with pytest.raises(Refused, match=r"'edits': it needs WEIGHTS .* 'quantised StableDiffusionPipeline'"):
        model.run(PROMPTS[:1], [0], [Edits()], SMALL)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_weights_that_are_no_plain_numbers_are_not_edited(family):
    pipe = tiny.FAMILIES[family]()
    whole = torch.nn.Parameter(torch.zeros(4, dtype=torch.int8), requires_grad=False)
    getattr(pipe, net_of(pipe)).register_parameter("packed", whole)
    assert Cap.WEIGHTS not in load(pipe).caps
