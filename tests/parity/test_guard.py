"""A guarded pipeline gives the same bits as our own loop under the same methods."""

from __future__ import annotations

import diffusers
import pytest
import torch

from safelight.core.errors import BadInput, Refused
from safelight.core.nouns import Cond, Prompt
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.diffusion.denoise import denoise
from safelight.diffusion.guard import Door
from safelight.diffusion.rows import condition, rows
from safelight.diffusion.solvers import draw, name_of, solver
from safelight.diffusion.vectors import save
from safelight.methods.guidance.guidance_vectors import GuidanceVectors
from safelight.methods.guidance.negative_prompt import NegativePrompt
from safelight.methods.guidance.sega import SEGA
from safelight.methods.guidance.sld import SLD
from safelight.store import conditioning

MAX = SLD.of("max", concept="nudity")
CASES = {
    "none": [],
    "negative prompt": [NegativePrompt("blood")],
    "SLD max": [MAX],
    "both": [NegativePrompt("blood"), MAX],
    "SLD twice": [SLD.of("medium", concept=("nudity", "blood"), sld_warmup_steps=3), MAX],
    "SEGA": [SEGA(("nudity", "blood"), edit_warmup_steps=(2, 4), edit_cooldown_steps=(7, 9))],
}
PROMPTS = [Prompt("a cat"), Prompt("a dog on a boat, in a long text", negative="rain")]


def noise(b, scheduler):
    return draw([torch.Generator().manual_seed(seed) for seed in range(b)], (4, 8, 8), "cpu")


def ours(pipe, methods, scale=7.5, steps=10, n=2):
    """The last latents of our loop, n pictures a prompt."""
    model, ours = backbone(pipe), solver(name_of(pipe.scheduler), steps, pipe.scheduler)
    prompts = [prompt for prompt in PROMPTS for _ in range(n)]
    asked = [rows(prompt, methods) for prompt in prompts]
    conds = {
        row: condition(model, row, [named[row] for named in asked], prompts, methods) for row in asked[0]
    }
    x = noise(len(prompts), pipe.scheduler) * ours.init_scale
    *_, step = denoise(model, ours, conds, x, scale=scale, methods=methods)
    return step.next


def guarded(pipe, methods, scale=7.5, steps=10, n=2, **more):
    """The same of the pipeline."""
    with Door(pipe) as door, door.run(PROMPTS, n, methods) as run:
        return pipe(
            **run.texts, num_images_per_prompt=n, latents=noise(n * len(PROMPTS), pipe.scheduler),
            num_inference_steps=steps, guidance_scale=scale, output_type="latent", **more,
        ).images  # fmt: skip


PIPELINES = {
    "SD, DDIM": (tiny.sd, "epsilon", diffusers.DDIMScheduler),
    "SD, Euler": (tiny.sd, "epsilon", diffusers.EulerDiscreteScheduler),
    "SD, PNDM": (tiny.sd, "epsilon", diffusers.PNDMScheduler),
    "SD, Heun": (tiny.sd, "epsilon", diffusers.HeunDiscreteScheduler),
    "SD, DPM-Solver++": (tiny.sd, "epsilon", diffusers.DPMSolverMultistepScheduler),
    "SD, v, DDIM": (tiny.sd, "v_prediction", diffusers.DDIMScheduler),
    "SDXL, Euler": (tiny.sdxl, diffusers.EulerDiscreteScheduler),
    "SDXL, DDIM": (tiny.sdxl, diffusers.DDIMScheduler),
}


@pytest.mark.parametrize(("make", "settings"), [(m, s) for m, *s in PIPELINES.values()], ids=PIPELINES)
@pytest.mark.parametrize("methods", CASES.values(), ids=CASES.keys())
def test_equal_bits(make, settings, methods):
    pipe = make(*settings)
    latents = guarded(pipe, methods)
    assert torch.equal(latents, ours(pipe, methods))
    assert torch.equal(latents, guarded(pipe, [])) == (methods == [])


@pytest.mark.parametrize("make", [tiny.sd, tiny.sdxl])
def test_embeddings_and_vectors_do_what_they_do_in_our_loop(make, tmp_path):
    """For two prompts, two pictures each; an embedding as its text, bit for bit."""
    pipe, blood, vectors = make(), str(tmp_path / "blood.safetensors"), str(tmp_path / "v.safetensors")
    conditioning.save(backbone(pipe).encode(["blood"]), blood)
    save(vectors, 0.1 * torch.randn(10, 4, 8, 8, generator=torch.Generator().manual_seed(0)), [])
    words, files = (
        [SEGA(("nudity", concept), edit_warmup_steps=2), GuidanceVectors(vectors)]
        for concept in ("blood", blood)
    )
    latents = guarded(pipe, files)
    assert torch.equal(latents, guarded(pipe, words))
    assert torch.equal(latents, ours(pipe, files))
    assert not torch.equal(latents, guarded(pipe, files[:1]))


def test_embeddings_of_another_model_and_vectors_of_another_size_are_refused(tmp_path):
    pipe, concept, vectors = tiny.sd(), str(tmp_path / "a.safetensors"), str(tmp_path / "v.safetensors")
    conditioning.save(Cond({"text_encoder": torch.zeros(1, 77, 5)}), concept)
    with pytest.raises(BadInput, match="'concept 1' has the sizes"):
        guarded(pipe, [SEGA(concept)])
    save(vectors, torch.ones(10, 4, 8, 6), [])
    with pytest.raises(BadInput, match=r"made for latents \(4, 8, 6\); these pictures have \(4, 8, 8\)"):
        guarded(pipe, [GuidanceVectors(vectors)])
    save(vectors, torch.ones(9, 4, 8, 8), [])
    with pytest.raises(Refused, match="made for 9 solver iterations, and this run has 10"):
        guarded(pipe, [GuidanceVectors(vectors)])


@pytest.mark.parametrize("zeros", [True, False])
def test_empty_negative_texts_of_sdxl_are_what_the_model_knows_them_by(zeros):
    """One of the two prompts has no negative text: as ours, and as the plain pipeline that is given none."""
    pipe = tiny.sdxl()
    pipe.register_to_config(force_zeros_for_empty_prompt=zeros)
    latents = guarded(pipe, [], n=1)
    assert torch.equal(latents, ours(pipe, [], n=1))
    alone = pipe(
        [prompt.text for prompt in PROMPTS], latents=noise(2, pipe.scheduler), num_inference_steps=10,
        guidance_scale=7.5, output_type="latent",
    ).images  # fmt: skip
    assert torch.equal(latents[0], alone[0])
    assert not torch.allclose(latents[1], alone[1], atol=1e-3)
