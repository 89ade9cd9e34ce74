"""What sampling costs: ratios of things measured in turn in one run, so that a busy machine slows both alike.

    python benchmarks/sampling.py [--model miniature] [--pictures 50] [--rounds 5]
    python benchmarks/sampling.py --sd15 [--rounds 5]

1. Our guided step against the bare network on the same rows, and our loop against diffusers' own pipeline,
   texts to latents: what the loop, the solver and guidance add.
2. SLD and SEGA against diffusers' retired pipelines, prompt to pixels, at equal output. SEGA has two or three
   concepts. Rows that cannot act are left out: of concepts that have cooled down and, without momentum, of
   those in their warm-up. Where all act to the end with momentum, every row is needed, and none is saved.
3. Seconds for 100 pictures at the model's defaults, decoding included, in float32 and bfloat16.

With --sd15 on random weights of the size of Stable Diffusion 1.5 (4 GB): our loop against diffusers' own
pipeline for two steps on the CPU, and where CUDA is there, on it, for 25 steps in float16, and pictures a
second with and without SLD. Prints Markdown.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.pipelines.deprecated.semantic_stable_diffusion import SemanticStableDiffusionPipeline
from diffusers.pipelines.deprecated.stable_diffusion_safe import StableDiffusionPipelineSafe
from transformers import CLIPTextConfig, CLIPTextModel

from safelight.core.errors import Damaged
from safelight.core.method import Method
from safelight.diffusion import tiny
from safelight.diffusion.denoise import denoise
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.diffusion.sampling import Sampling
from safelight.diffusion.solvers import draw
from safelight.methods.guidance.sega import BY_CONCEPT, SEGA
from safelight.methods.guidance.sld import SLD

PROMPTS = [
    "a photo of a red car",
    "a photo of a body",
    "a blue bird in a forest",
    "a doctor in a city at night",
]
BLOCK = 10
"""Pictures in a block where things are compared, so that all ends within minutes."""


class Times(NamedTuple):
    """Median over rounds of ours / theirs, and of the seconds of each."""

    ratio: float
    ours: float
    theirs: float


def in_turn(rounds: int, one: Callable[[], object], other: Callable[[], object]) -> Times:
    """Two things, each done once a round after one round that does not count; who begins changes."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        both = [(times[0], one), (times[1], other)]
        for log, thing in both if number % 2 else reversed(both):
            begun = perf_counter()
            thing()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number:
                log.append(perf_counter() - begun)
    ratios = [ours / theirs for ours, theirs in zip(*times, strict=True)]
    return Times(median(ratios), median(times[0]), median(times[1]))


def prompts(n: int) -> list[str]:
    return [PROMPTS[k % len(PROMPTS)] for k in range(n)]


def noise(generator: Generator, n: int) -> torch.Tensor:
    shape = generator.backbone.latent_shape(generator.sampling.height, generator.sampling.width)
    rngs = [torch.Generator().manual_seed(k) for k in range(n)]
    return draw(rngs, shape, generator.backbone.device)


@torch.no_grad()
def guided_step(generator: Generator, rounds: int) -> Times:
    """A block's denoising, ours and as bare calls of the network on the same 2 rows a sample, by turns after
    each step."""
    model, b, steps = generator.backbone, generator.sampling.block, generator.sampling.steps
    rows = {"uncond": model.encode([""]), "prompt": model.encode(prompts(b))}
    joined = torch.cat([cond.expand(b).tokens["text_encoder"] for cond in rows.values()])
    x = noise(generator, b)
    doubled, timesteps = torch.cat([x, x]), generator.solver(generator.sampling).timesteps
    scale, times = generator.sampling.guidance, []
    for _ in range(rounds):
        ours = denoise(model, generator.solver(generator.sampling), rows, x, scale=scale)
        theirs = (model.net(doubled, t, encoder_hidden_states=joined, return_dict=False) for t in timesteps)
        times.append(in_turn(steps - 1, lambda o=ours: next(o), lambda o=theirs: next(o)))
    return Times(*(median(part) for part in zip(*times, strict=True)))


@torch.no_grad()
def own_pipeline(generator: Generator, rounds: int) -> Times:
    """Texts to the latents of a block, ours and by `StableDiffusionPipeline`."""
    model, sampling, b = generator.backbone, generator.sampling, generator.sampling.block
    pipe, x = pipeline(StableDiffusionPipeline, generator, sampling), noise(generator, b)
    settings: dict[str, Any] = {"num_inference_steps": sampling.steps, "guidance_scale": sampling.guidance}
    settings["latents"] = x.to(pipe.unet.dtype)

    def ours():
        rows = {"uncond": model.encode([""]), "prompt": model.encode(prompts(b))}
        for _ in denoise(model, generator.solver(sampling), rows, x, scale=sampling.guidance):
            pass

    def theirs():
        pipe(prompts(b), output_type="latent", **settings)

    return in_turn(rounds, ours, theirs)


def sd15(device: str) -> Generator:
    """Random weights of the size of Stable Diffusion 1.5, for two steps on a CPU, for 25 on CUDA."""
    levels: dict[str, Any] = {  # Any: diffusers annotates these as tuples of one
        "block_out_channels": (128, 256, 512, 512),
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
    }
    parts = {
        "unet": UNet2DConditionModel(sample_size=64, cross_attention_dim=768),
        "vae": AutoencoderKL(**levels, layers_per_block=2),
        "text_encoder": CLIPTextModel(
            CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12)
        ),
        "tokenizer": tiny.tokenizer(),
    }
    nothing = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    scheduler: Any = DDIMScheduler.from_config(tiny.SCHEDULE)
    pipe = StableDiffusionPipeline(**parts, scheduler=scheduler, **nothing)
    cuda = device == "cuda"
    generator = load(pipe.to(device, torch.float16) if cuda else pipe)
    kind = {"steps": 25, "block": 8, "dtype": "float16"} if cuda else {"steps": 2, "block": 1}
    generator.sampling = replace(generator.sampling, solver="ddim", **kind)
    return generator


Pair = tuple[Times, float]
"""Seconds of ours and of theirs for one block; how far the pixels are apart, in 255ths."""


def sld(generator: Generator, rounds: int) -> Pair:
    settings = {**SLD.presets["medium"]}
    pipe = pipeline(StableDiffusionPipelineSafe, generator, short(generator))
    pipe.safety_concept = "nudity"
    return side_by_side(generator, rounds, SLD.of("medium", concept="nudity"), pipe, settings)


def sega(generator: Generator, rounds: int, method: SEGA) -> Pair:
    names = (*BY_CONCEPT, "edit_momentum_scale", "edit_mom_beta")
    settings = {name: getattr(method, name) for name in names if name != "edit_weights"}
    settings["editing_prompt"] = [edit.text for edit in method.edits]
    pipe = pipeline(SemanticStableDiffusionPipeline, generator, short(generator))
    return side_by_side(generator, rounds, method, pipe, settings)


TWO, THREE = ("nudity", "violence"), ("nudity", "violence", "blood")
SEGAS = {
    "SEGA, two concepts, momentum, to the end: every row at every step": SEGA(TWO, edit_warmup_steps=5),
    "SEGA, two concepts, momentum, cool-down at 15 of 25": SEGA(
        TWO, edit_warmup_steps=5, edit_cooldown_steps=15
    ),
    "SEGA, two concepts, no momentum, warm-up 10 of 25": SEGA(TWO, edit_momentum_scale=0),
    "SEGA, three concepts, no momentum, warm-up 10, cool-down 20 of 25": SEGA(
        THREE, edit_momentum_scale=0, edit_cooldown_steps=20
    ),
}
"""What is the rest of `medium`."""


def pipeline(cls: Any, generator: Generator, sampling: Sampling) -> Any:
    """One of diffusers' pipelines around the generator's parts."""
    text: Any = generator.backbone  # a Stable Diffusion
    parts = {**generator.backbone.parts, "tokenizer": text.texts["text_encoder"].tokenizer}
    nothing = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipe = cls(**parts, scheduler=generator.solver(sampling).scheduler, **nothing)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def short(generator: Generator) -> Sampling:
    return replace(generator.sampling, solver="ddim", steps=25)


def side_by_side(
    generator: Generator, rounds: int, method: Method, pipe: Any, settings: dict[str, Any]
) -> Pair:
    """A block of pictures, ours and diffusers', on the same noise."""
    sampling, images = short(generator), {}
    b = sampling.block
    settings |= {"latents": noise(generator, b), "guidance_scale": sampling.guidance, "output_type": "np"}

    def ours():
        made = generator.run(prompts(b), list(range(b)), [method], sampling)
        images["ours"] = np.stack([np.asarray(picture.image) for picture in made])

    def theirs():
        images["theirs"] = (
            pipe(prompts(b), num_inference_steps=sampling.steps, **settings).images * 255
        ).round()

    times = in_turn(rounds, ours, theirs)
    return times, float(np.abs(images["ours"].astype(float) - images["theirs"]).max())


def pictures(generator: Generator, n: int, methods: Sequence[Method] = ()) -> float:
    """Seconds for n pictures at the model's defaults, after one block that does not count."""
    block = generator.sampling.block
    generator.run(prompts(block), list(range(block)), methods)
    begun = perf_counter()
    generator.run(prompts(n), list(range(n)), methods)
    return perf_counter() - begun


def reload(name: str, dtype: str) -> Generator:
    try:
        return load(name, dtype=dtype)
    except Damaged as problem:
        print(f"{problem}; measuring a tiny random network instead")
        return load(tiny.sd().to(getattr(torch, dtype)))


def main() -> None:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--model", default="miniature")
    parser.add_argument("--pictures", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sd15", action="store_true")
    asked = parser.parse_args()
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    if asked.sd15:
        return large(asked.rounds)

    generator = reload(asked.model, "float32")
    generator.sampling = replace(generator.sampling, block=BLOCK)
    head(f"{asked.model}, {generator.sampling}")
    ratio("guided steps / the bare network on the same rows", guided_step(generator, asked.rounds))
    ratio("our loop / diffusers' own pipeline", own_pipeline(generator, asked.rounds))
    pair("SLD", sld(generator, asked.rounds))
    for what, method in SEGAS.items():
        pair(what, sega(generator, asked.rounds, method))
    for dtype in ("float32", "bfloat16"):
        taken = 100 * pictures(reload(asked.model, dtype), asked.pictures) / asked.pictures
        line(f"seconds for 100 pictures, {dtype}", f"{taken:.1f}", f"from {asked.pictures}", "")


def large(rounds: int) -> None:
    """At the size of Stable Diffusion 1.5."""
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        generator = sd15(device)
        head(f"random weights of the size of Stable Diffusion 1.5 on {device}, {generator.sampling}")
        ratio("our loop / diffusers' own pipeline", own_pipeline(generator, rounds))
        if device == "cuda":
            n = 4 * generator.sampling.block
            for what, methods in {"without SLD": [], "with SLD": [SLD.of("medium")]}.items():
                line(
                    f"pictures a second, {what}", f"{n / pictures(generator, n, methods):.2f}", f"of {n}", ""
                )


def head(what: str) -> None:
    print(f"\n{what}, {torch.get_num_threads()} threads, torch {torch.__version__}\n", flush=True)
    line("", "ours / theirs", "seconds of ours, of theirs", "largest difference of pixels, of 255")
    line("---", "---", "---", "---")


def ratio(what: str, times: Times) -> None:
    line(what, f"{times.ratio:.3f}", seconds(times), "")


def pair(what: str, measured: Pair) -> None:
    times, apart = measured
    faster = f"{times.ratio:.3f} ({1 / times.ratio:.2f}x faster)"
    line(f"{what} / diffusers'", faster, seconds(times), f"{apart:g}")


def seconds(times: Times) -> str:
    return f"{times.ours:.3g}, {times.theirs:.3g}"


def line(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
