"""The door to a live pipeline: what it adds at each step, whom it lets in, and that it leaves no trace."""

from __future__ import annotations

import copy
import pickle
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, final

import diffusers
import pytest
import torch
from accelerate import cpu_offload
from peft import LoraConfig
from PIL import Image

import safelight
from safelight.core.errors import BadInput, Refused
from safelight.core.method import Method
from safelight.core.nouns import Cap, Cond, Prompt
from safelight.diffusion import tiny
from safelight.diffusion.backbones.sd import SD
from safelight.diffusion.backbones.sdxl import SDXL
from safelight.diffusion.guard import Door
from safelight.diffusion.load import load
from safelight.diffusion.solvers import levels
from safelight.methods.guidance.negative_prompt import NegativePrompt
from safelight.methods.guidance.sld import SLD

MAX = SLD.of("max", concept="nudity")
PICTURE, MASK = Image.new("RGB", (16, 16), (200, 60, 20)), Image.new("L", (16, 16), 255)
ASK = {"num_inference_steps": 6, "guidance_scale": 5.0, "output_type": "latent"}


@final
@dataclass(frozen=True)
class Pull(Method):
    """Towards a text, and a record of every moment; the term is linear, so that it can be recomputed."""

    text: str = "rain"

    def rows(self, p):
        return {"towards": self.text}

    def start(self):
        return []

    def term(self, here, raw, state):
        state.append((here, dict(raw)))
        return 3.0 * (raw["towards"] - raw["uncond"])


@pytest.fixture(scope="module")
def nine():
    """A pipeline with an inpainting network: latent, mask and masked picture are its nine channels."""
    pipe = tiny.sd()
    config = dict(pipe.unet.config) | {"in_channels": 9}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net: Any = diffusers.UNet2DConditionModel.from_config(config)
    return diffusers.StableDiffusionInpaintPipeline(
        **pipe.components | {"unet": net.eval()}, requires_safety_checker=False
    )


def img2img():
    return diffusers.StableDiffusionImg2ImgPipeline(**tiny.sd().components, requires_safety_checker=False)


def inpaint():
    return diffusers.StableDiffusionInpaintPipeline(**tiny.sd().components, requires_safety_checker=False)


def xl_img2img():
    return diffusers.StableDiffusionXLImg2ImgPipeline(**tiny.sdxl().components, add_watermarker=False)


def xl_inpaint():
    return diffusers.StableDiffusionXLInpaintPipeline(**tiny.sdxl().components, add_watermarker=False)


def controlnet():
    pipe = tiny.sd()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        control = diffusers.ControlNetModel.from_unet(
            pipe.unet, conditioning_embedding_out_channels=(4, 8)
        ).eval()
        for block in control.controlnet_down_blocks:
            torch.nn.init.normal_(block.weight)  # pyright: ignore
    return diffusers.StableDiffusionControlNetPipeline(
        **pipe.components, controlnet=control, requires_safety_checker=False
    )


PIPELINES: dict[str, tuple[Any, dict[str, Any]]] = {
    "text to image": (tiny.sd, {}),
    "image to image": (img2img, {"image": PICTURE, "strength": 0.5}),
    "inpainting": (inpaint, {"image": PICTURE, "mask_image": MASK, "height": 16, "width": 16}),
    "ControlNet": (controlnet, {"image": PICTURE}),
    "ControlNet, guess mode": (controlnet, {"image": PICTURE, "guess_mode": True}),
    "SDXL": (tiny.sdxl, {}),
    "SDXL, image to image": (xl_img2img, {"image": PICTURE, "strength": 0.5}),
    "SDXL, inpainting": (
        xl_inpaint,
        {"image": PICTURE, "mask_image": MASK, "height": 16, "width": 16, "strength": 1.0},
    ),
}


def guarded(pipe, methods, prompts=("a cat",), n=1, **given):
    """The pipeline's latents, and its run."""
    pipe.set_progress_bar_config(disable=True)
    rngs = [torch.Generator().manual_seed(j) for j in range(len(prompts) * n)]
    with Door(pipe) as door, door.run([Prompt(text) for text in prompts], n, methods) as run:
        out = pipe(**run.texts, num_images_per_prompt=n, generator=rngs, **ASK | given)
    return out.images, run


@contextmanager
def guided_predictions(pipe):
    """What the pipeline's guidance hands to its scheduler, step by step."""
    seen, step = [], pipe.scheduler.step
    pipe.scheduler.step = lambda prediction, *args, **kwargs: (
        seen.append(prediction) or step(prediction, *args, **kwargs)
    )
    try:
        yield seen
    finally:
        del pipe.scheduler.step


@pytest.mark.parametrize("kind", PIPELINES)
def test_each_step_is_what_the_terms_say(kind):
    make, given = PIPELINES[kind]
    pipe = make()
    with guided_predictions(pipe) as seen:
        out, run = guarded(pipe, [Pull()], ["a cat", "a dog in the rain"], 2, **given)
    [moments] = run.states
    assert len(seen) == len(moments) == (3 if "image to image" in kind else 6)
    assert [here.i for here, _ in moments] == list(range(6))[-len(moments) :]
    for prediction, (here, raw) in zip(seen, moments, strict=True):
        u, p, mine = raw["uncond"], raw["prompt"], raw["towards"]
        assert torch.equal(prediction, u + (5.0 * (p - u) + 3.0 * (mine - u)))
        assert (here.alpha, here.sigma) == levels(pipe.scheduler)[here.i]
        assert here.x.shape == (4, 4, 8, 8)
        assert not torch.allclose(mine, p)
    assert out.isfinite().all()


def test_inpainting_networks_with_nine_channels(nine):
    given = {"image": PICTURE, "mask_image": MASK, "height": 16, "width": 16}
    out, run = guarded(nine, [Pull()], ["a cat", "a dog"], **given)
    assert all(here.x.shape == (2, 4, 8, 8) for here, _ in run.states[0])
    assert out.isfinite().all()


def test_a_row_of_the_prompts_own_text_gets_the_prompts_own_control():
    _, run = guarded(controlnet(), [Pull("a cat")], image=PICTURE)
    for _, raw in run.states[0]:
        assert torch.allclose(raw["towards"], raw["prompt"], atol=1e-5)


def test_reports_and_texts_are_by_picture():
    _, run = guarded(tiny.sd(), [NegativePrompt("blood"), MAX], ["a cat", "a dog"], 3)
    assert run.texts == {"prompt": ["a cat", "a dog"], "negative_prompt": ["blood", "blood"]}
    assert [set(said) for said in run.reports()] == [{"negative-prompt", "sld"}] * 6


def test_guidance_rescale_sees_the_prompts_own_prediction():
    """Rescaling by hand what the terms say gives what the pipeline gives."""
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    pipe = tiny.sd()
    with guided_predictions(pipe) as seen:
        _, run = guarded(pipe, [Pull()], guidance_rescale=0.7)
    for prediction, (_, raw) in zip(seen, run.states[0], strict=True):
        u, p = raw["uncond"], raw["prompt"]
        plain = u + (5.0 * (p - u) + 3.0 * (raw["towards"] - u))
        expected = rescale_noise_cfg(plain, p, 0.7)
        assert torch.allclose(prediction, expected, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(prediction, plain, rtol=1e-2)


@final
@dataclass(frozen=True)
class Swap(Method):
    """Replaces the conditioning of the prompt by that of the unconditional text's shape, zero."""

    def embed(self, cond: Cond, row: str, p: Prompt) -> Cond:
        return cond.map(torch.zeros_like) if row == "prompt" and "cat" in p.text else cond


def test_our_own_loop_refuses_a_controlnet_that_it_would_leave_out():
    with pytest.raises(BadInput, match=r"draws by its controlnet, .* inside safelight\.guard"):
        load(controlnet())


def test_embed_reaches_the_network_and_the_controlnet_for_its_own_prompt_only():
    pipe, seen = controlnet(), []
    for net in (pipe.unet, pipe.controlnet):
        net.register_forward_pre_hook(
            lambda net, args, kwargs: seen.append(kwargs["encoder_hidden_states"]), with_kwargs=True
        )
    guarded(pipe, [Swap()], ["a cat", "a dog"], image=PICTURE)
    assert len(seen) == 12
    for text in seen:
        assert [bool(row.any()) for row in text] == [True, True, False, True]  # uncond twice, cat, dog


def test_embed_reaches_the_pooled_text_too():
    pipe, seen = tiny.sdxl(), []
    pipe.unet.register_forward_pre_hook(
        lambda net, args, kwargs: (
            seen.append(kwargs["encoder_hidden_states"])
            or seen.append(kwargs["added_cond_kwargs"]["text_embeds"])
        ),
        with_kwargs=True,
    )
    guarded(pipe, [Swap()], ["a cat", "a dog"])
    assert len(seen) == 12
    for text in seen:
        assert [bool(row.any()) for row in text] == [False, False, False, True]  # an empty text is zeros


@pytest.mark.parametrize("n", [1, 3])
def test_a_row_has_the_pooled_text_of_its_own_and_the_sizes_of_its_prompt(n):
    pipe, seen = tiny.sdxl(), []
    prompts, sizes = [Prompt("a cat", "snow")], {"original_size": (32, 24), "crops_coords_top_left": (4, 2)}
    with Door(pipe) as door, door.run(prompts, n, [Pull("rain"), MAX]) as run:
        hook = pipe.unet.register_forward_pre_hook(
            lambda net, args, kwargs: seen.append(kwargs), with_kwargs=True
        )
        pipe(
            **run.texts, **ASK, **sizes, num_images_per_prompt=n,
            negative_original_size=(8, 8), negative_target_size=(12, 12),
        )  # fmt: skip
        hook.remove()
    cond = SDXL(pipe).encode(["snow", "a cat", "rain", "nudity"])
    states = torch.cat(list(cond.tokens.values()), dim=-1)
    for kwargs in seen:
        added = kwargs["added_cond_kwargs"]
        every = {name: value[::n] for name, value in added.items()}
        assert torch.allclose(kwargs["encoder_hidden_states"][::n], states, atol=1e-5)
        assert torch.allclose(every["text_embeds"], cond.pooled["text_encoder_2"], atol=1e-5)
        uncond, prompt, *own = added["time_ids"].split(n)
        assert all(torch.equal(ids, prompt) for ids in own)
        assert uncond[0].tolist() == [8, 8, 0, 0, 12, 12]
        # For several pictures diffusers gives the two kinds of sizes in turn, not one kind a row.
        assert [32, 24, 4, 2, 16, 16] in prompt.tolist()
    assert len(seen) == 6


def test_uncond_may_be_a_conditioning():
    @final
    @dataclass(frozen=True)
    class Zero(Method):
        def rows(self, p):
            return {"uncond": Cond({"text_encoder": torch.zeros(1, 77, 32)})}

    pipe, seen = tiny.sd(), []
    pipe.unet.register_forward_pre_hook(
        lambda net, args, kwargs: seen.append(kwargs["encoder_hidden_states"]), with_kwargs=True
    )
    guarded(pipe, [Zero()])
    assert all(not text[0].any() and text[1].any() for text in seen)


def test_heun_counts_iterations_as_the_loop_does():
    _, run = guarded(tiny.sd(scheduler=diffusers.HeunDiscreteScheduler), [Pull()])
    assert [(here.i, here.n) for here, _ in run.states[0]] == [(i, 11) for i in range(11)]


def test_half_precision_terms_are_computed_in_float32():
    pipe = tiny.sd().to(torch.bfloat16)
    out, run = guarded(pipe, [Pull(), MAX])
    assert {raw["towards"].dtype for _, raw in run.states[0]} == {torch.float32}
    assert out.dtype == torch.bfloat16
    assert out.isfinite().all()


# Whom it lets in.


def refused(call, said):
    with pytest.raises(Refused, match=said):
        call()


def made_from(pipe) -> Any:
    return diffusers.StableDiffusionImg2ImgPipeline.from_pipe(pipe)


def test_inside_the_block_the_network_refuses_everybody_else():
    pipe = tiny.sd()
    other = diffusers.StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    compiled, neighbour = (
        diffusers.StableDiffusionPipeline(**pipe.components | {"unet": unet}, requires_safety_checker=False)
        for unet in (torch.compile(pipe.unet, backend="eager"), tiny.sd().unet)
    )
    calls = {
        "the pipeline": lambda: pipe("a cat", **ASK),
        "as arrays": lambda: pipe("a cat", num_inference_steps=2, output_type="np", return_dict=False),
        "another with its parts": lambda: other("a cat", image=PICTURE, num_inference_steps=4),
        "made from it": lambda: made_from(pipe)("a cat", image=PICTURE, num_inference_steps=4),
        "the network": lambda: pipe.unet(torch.zeros(1, 4, 8, 8), 1, torch.zeros(1, 77, 32)),
        "a shallow copy of it": lambda: copy.copy(pipe.unet)(
            torch.zeros(1, 4, 8, 8), 1, torch.zeros(1, 77, 32)
        ),
        "compiled before": lambda: compiled("a cat", **ASK),
        "safelight's own loop": lambda: safelight.generate("a cat", model=pipe, policy="research"),
        "the decoder": lambda: pipe.vae.decode(torch.zeros(1, 4, 8, 8)),
        "tiles": lambda: pipe.vae.tiled_decode(torch.zeros(1, 4, 16, 16)),
        "another network, the same decoder": lambda: neighbour("a cat", num_inference_steps=2),
    }
    compiled("a cat", **ASK)
    with Door(pipe) as door:
        for call in calls.values():
            refused(call, "this network is guarded")
        with door.run([Prompt("a cat")], 1, [MAX]) as run:  # and goes on working
            pipe(**run.texts, **ASK)
    pipe("a cat", **ASK)


def test_inside_the_block_nothing_is_copied():
    pipe = tiny.sd()
    with Door(pipe):
        for call in (copy.deepcopy, pickle.dumps):
            for part in (pipe, pipe.unet, Door(pipe)):
                refused(lambda call=call, part=part: call(part), "copied or pickled: do it before")
    assert copy.deepcopy(pipe.unet).config == pipe.unet.config


def test_two_guarded_pipelines_may_share_a_decoder_and_end_in_any_order():
    pipe, other = tiny.sd(), tiny.sd()
    other.vae = pipe.vae
    first, second = Door(pipe), Door(other)
    with ExitStack() as stack:
        first.__enter__()
        stack.enter_context(second)
        for door in (first, second):
            with door.run([Prompt("a cat")], 1, [MAX]) as run:
                door.pipe(**run.texts, **ASK | {"output_type": "np"})
        first.__exit__(None, None, None)
        refused(lambda: pipe("a cat", num_inference_steps=2), "this network is guarded")  # its decoder is
        with second.run([Prompt("a cat")], 1, [MAX]) as run:
            other(**run.texts, **ASK | {"output_type": "np"})
    pipe("a cat", num_inference_steps=2)


def test_a_block_that_would_end_within_its_own_call_goes_on():
    def leave(pipe, i, t, tensors):
        door.__exit__(None, None, None)

    pipe = tiny.sd()
    with Door(pipe) as door:
        with (
            pytest.raises(Refused, match="cannot end within its own call"),
            door.run([Prompt("a cat")], 1, [MAX]) as run,
        ):
            pipe(**run.texts, **ASK, callback_on_step_end=leave)
        with door.own(), pytest.raises(Refused, match="cannot end within its own call"):
            door.__exit__(None, None, None)
        refused(lambda: pipe("a cat", **ASK), "this network is guarded")


@pytest.mark.parametrize("kind", PIPELINES)
def test_a_network_in_the_place_of_the_guarded_one_makes_no_picture_either(kind):
    make, given = PIPELINES[kind]
    pipe, other = make(), make()
    net, pipe.unet = pipe.unet, other.unet
    with Door(pipe):
        pipe.unet = net
        refused(lambda: pipe("a cat", **ASK | given), "this network is guarded")
        refused(Door(pipe).__enter__, "guarded already")
    assert "check_inputs" not in vars(pipe)
    pipe("a cat", **ASK | given)


def test_a_network_that_is_exchanged_during_the_run_leaves_it_unfinished():
    pipe, other = tiny.sd(), tiny.sd().unet

    def exchange(pipe, i, t, tensors):
        if i == 2:
            pipe.unet = other
        return {}

    _, run = guarded(pipe, [MAX], callback_on_step_end=exchange)
    assert not run.whole


@pytest.mark.parametrize("nested", ["the same pipeline", "one that shares the network"])
def test_a_second_door_is_refused(nested):
    pipe = tiny.sd()
    again = pipe if nested == "the same pipeline" else inpaint()
    again.unet = pipe.unet
    with Door(pipe):
        refused(Door(again).__enter__, "guarded already")
    with Door(again):
        pass


def test_a_second_thread_is_refused_and_the_first_is_not_disturbed():
    pipe, said = tiny.sd(), []
    alone, _ = guarded(pipe, [MAX])

    def intrude(pipe, i, t, tensors):
        if i == 2:
            for call in (
                lambda: door.run([Prompt("a dog")], 1, []).__enter__(),
                lambda: pipe.unet(x, 1, text),
            ):
                thread = threading.Thread(target=lambda call=call: said.append(why(call)))
                thread.start()
                thread.join()
        return {}

    def why(call):
        with pytest.raises(Refused) as caught:
            call()
        return str(caught.value)

    x, text = torch.zeros(2, 4, 8, 8), torch.zeros(2, 77, 32)
    rngs = [torch.Generator().manual_seed(0)]
    with Door(pipe) as door, door.run([Prompt("a cat")], 1, [MAX]) as run:
        out = pipe(**run.texts, **ASK, generator=rngs, callback_on_step_end=intrude).images
    assert "one at a time" in said[0]
    assert "this network is guarded" in said[1]
    assert torch.equal(out, alone)


def test_the_block_ends_only_after_a_run_in_another_thread():
    pipe, at_work, results = tiny.sd(), threading.Event(), []
    alone, _ = guarded(pipe, [MAX])

    def signal(pipe, i, t, tensors):
        at_work.set()
        return {}

    def work(door):
        with door.run([Prompt("a cat")], 1, [MAX]) as run:
            rngs = [torch.Generator().manual_seed(0)]
            results.append(pipe(**run.texts, **ASK, generator=rngs, callback_on_step_end=signal).images)

    with Door(pipe) as door:
        thread = threading.Thread(target=work, args=[door])
        thread.start()
        at_work.wait()
    thread.join()
    assert torch.equal(results[0], alone)


def test_a_callback_that_calls_the_pipeline_or_writes_the_text_is_refused():
    pipe = tiny.sd()

    def again(pipe, i, t, tensors):
        pipe("a dog", num_inference_steps=6)

    def write(pipe, i, t, tensors):
        return {"prompt_embeds": torch.zeros(2, 77, 32)}

    for callback in (again, write):
        refused(lambda callback=callback: guarded(pipe, [MAX], callback_on_step_end=callback), "exchanged")


def test_a_callback_that_writes_the_pooled_text_is_refused():
    def write(pipe, i, t, tensors):
        return {"add_text_embeds": torch.zeros(2, 32)}

    refused(lambda: guarded(tiny.sdxl(), [MAX], callback_on_step_end=write), "exchanged")


def test_guidance_that_a_callback_switches_off_is_refused():
    def off(pipe, i, t, tensors):
        pipe._guidance_scale = 0.0
        return {}

    refused(lambda: guarded(tiny.sd(), [MAX], callback_on_step_end=off), "needs 2 rows for 1 pictures")


def test_outside_of_the_block_it_makes_nothing():
    door = Door(tiny.sd())
    refused(lambda: door.run([Prompt("a cat")], 1, []).__enter__(), "inside of its block")
    with door:
        pass
    refused(lambda: door.run([Prompt("a cat")], 1, []).__enter__(), "inside of its block")


# What it cannot work with.


def test_pipelines_whose_guidance_is_not_known_are_refused():
    class Own(diffusers.StableDiffusionPipeline):
        def __call__(self, *args, **kwargs):  # pyright: ignore
            return super().__call__(*args, **kwargs)

    class Named(diffusers.StableDiffusionPipeline):
        pass

    pipe = tiny.sd()
    for wrong in (Own(**pipe.components, requires_safety_checker=False), pipe.unet, "miniature", None):
        with pytest.raises(BadInput, match="its guidance is not known; known: StableDiffusionPipeline"):
            Door(wrong)
    Door(Named(**pipe.components, requires_safety_checker=False))


@pytest.mark.parametrize("make", [tiny.sd3, tiny.flux])
def test_other_families_are_refused(make):
    pipe = make()
    with pytest.raises(BadInput, match=f"{type(pipe).__name__} cannot be guarded: .* StableDiffusionXL"):
        Door(pipe)


def test_the_refiner_is_refused():
    pipe = xl_img2img()
    pipe.text_encoder = pipe.tokenizer = None
    with pytest.raises(BadInput, match="has no text_encoder, tokenizer"):
        Door(pipe)


class Copies(dict):
    """Weights that lie elsewhere: who takes one gets a tensor of its own, as from another device."""

    def __getitem__(self, name):
        return super().__getitem__(name).clone()


@pytest.mark.parametrize("make", [tiny.sd, tiny.sdxl])
def test_offloaded_networks_give_the_same_bits(make):
    """Network by network, and layer by layer with nothing but shapes in between."""
    expected, _ = guarded(make(), [Pull(), MAX])
    pipe = make()
    pipe.enable_model_cpu_offload(device="cpu")
    assert torch.equal(guarded(pipe, [Pull(), MAX])[0], expected)
    pipe = make()
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            cpu_offload(part, torch.device("cpu"), state_dict=Copies(part.state_dict()))
    assert pipe.unet.device.type == pipe.text_encoder.device.type == "meta"
    out, run = guarded(pipe, [Pull(), MAX])
    assert torch.equal(out, expected)
    assert run.backbone.device.type == "cpu"
    refused(lambda: guarded(pipe, [Doubles()]), "needs WEIGHTS")


def test_compiled_and_unknown_networks_are_refused():
    pipe, net = tiny.sd(), tiny.sd().unet
    pipe.unet = torch.compile(net, backend="eager")
    with pytest.raises(BadInput, match="before torch"):
        Door(pipe)
    pipe.unet = net
    with Door(pipe) as door:
        pipe.unet = torch.compile(net, backend="eager")
        with pytest.raises(BadInput, match="before torch"):
            door.run([Prompt("a cat")], 1, []).__enter__()
        pipe.unet = tiny.sd().unet
        refused(lambda: door.run([Prompt("a cat")], 1, []).__enter__(), "another network")
    pipe.unet = torch.nn.Identity()
    with pytest.raises(BadInput, match="unet is a Identity"):
        Door(pipe)
    net.compile(backend="eager")
    pipe.unet = net
    with pytest.raises(BadInput, match="before torch"):
        Door(pipe)


def test_missing_parts_and_schedulers_without_levels_are_refused():
    pipe = tiny.sd()
    pipe.scheduler = diffusers.EDMEulerScheduler()
    with pytest.raises(BadInput, match="no alpha-sigma process"):
        Door(pipe)
    pipe = tiny.sd()
    pipe.text_encoder = None
    with pytest.raises(BadInput, match="has no text_encoder"):
        Door(pipe)
    pipe = tiny.sd()
    pipe.vae = torch.nn.Identity()
    with pytest.raises(BadInput, match="vae, a Identity, has no decoder"):
        Door(pipe)


def test_gradients_are_refused_and_so_are_edits_of_quantised_weights():
    class Edits(Method):
        name = "edits"

        def edit(self, model):
            return super().edit(model)

    class Differentiates(Method):
        name, needs = "differentiates", frozenset({Cap.GRAD})

    pipe = tiny.sd()
    refused(lambda: guarded(pipe, [Differentiates()]), "'differentiates': it needs GRAD")
    guarded(pipe, [Edits()])
    pipe.unet.hf_quantizer = object()
    refused(lambda: guarded(pipe, [Edits()]), "needs WEIGHTS .* 'quantised StableDiffusionPipeline'")
    guarded(pipe, [MAX])


@pytest.mark.parametrize("method", [Pull(), NegativePrompt("blood"), MAX])
@pytest.mark.parametrize("scale", [1.0, 0.0])
def test_methods_that_need_guidance_are_refused_without(method, scale):
    steps = []
    refused(
        lambda: guarded(
            tiny.sd(), [method], guidance_scale=scale,
            callback_on_step_end=lambda pipe, i, t, tensors: steps.append(i) or {},
        ),
        "guidance_scale above 1",
    )  # fmt: skip
    assert steps == []


def test_methods_that_could_never_act_or_exclude_each_other_are_refused():
    late = SLD.of("medium", concept="nudity", sld_warmup_steps=6)
    refused(lambda: guarded(tiny.sd(), [late]), "leaves none of the solver's 6 iterations")
    refused(lambda: guarded(tiny.sd(), [NegativePrompt("a"), NegativePrompt("b")]), "unconditional row")


def test_rows_of_another_length_or_for_some_prompts_only_are_refused():
    class Short(Method):
        name = "short"

        def rows(self, p):
            return {"mine": Cond({"text_encoder": torch.zeros(1, 5, 32)})}

    class Some(Method):
        name = "some"

        def rows(self, p):
            return {"mine": "rain"} if "cat" in p.text else {}

    refused(lambda: guarded(tiny.sd(), [Short()]), "longer or shorter")
    refused(lambda: guarded(tiny.sd(), [Some()], ["a cat", "a dog"]), "a call of their own")


def test_a_pipeline_that_does_without_its_network_is_refused():
    with (
        Door(tiny.sd()) as door,
        pytest.raises(Refused, match="without asking its network"),
        door.run([Prompt("a cat")], 1, []),
    ):
        pass


# No trace.


def state(pipe):
    """Everything that guarding could leave behind."""
    nets = {name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}
    return (
        {name: {key: value.clone() for key, value in net.state_dict().items()} for name, net in nets.items()},
        {name: {key: str(value) for key, value in vars(net).items()} for name, net in nets.items()},
        set(vars(pipe)),
        {name: id(part) for name, part in pipe.components.items()},
    )


def same(before, after):
    weights, *rest = zip(before, after, strict=True)
    assert all(a == b for a, b in rest)
    return all(
        torch.equal(value, weights[1][net][key])
        for net, part in weights[0].items()
        for key, value in part.items()
    )


@final
@dataclass(frozen=True)
class Fails(Method):
    """Raises in its term at the third iteration."""

    def term(self, here, raw, state):
        if here.i == 2:
            raise ZeroDivisionError
        return 0.0


@pytest.mark.parametrize("make", [tiny.sd, tiny.sdxl])
@pytest.mark.parametrize("methods", [[MAX], [Fails()]], ids=["in peace", "after an error"])
def test_the_pipeline_is_as_before(methods, make):
    pipe = make()
    rngs = lambda: [torch.Generator().manual_seed(0)]  # noqa: E731
    plain = pipe("a cat", generator=rngs(), **ASK).images
    before = state(pipe)
    try:
        guarded(pipe, methods)
    except ZeroDivisionError:
        assert methods != [MAX]
    assert same(before, state(pipe))
    assert torch.equal(pipe("a cat", generator=rngs(), **ASK).images, plain)


@final
@dataclass(frozen=True)
class Doubles(Method):
    """Doubles a weight for the length of a run."""

    @contextmanager
    def edit(self, model):
        weight: Any = model.parts["unet"].get_parameter("conv_in.weight")
        before = weight.detach().clone()
        with torch.no_grad():
            weight.mul_(2)
        try:
            yield
        finally:
            with torch.no_grad():
                weight.copy_(before)


def test_edits_last_for_a_run():
    pipe = tiny.sd()
    plain, _ = guarded(pipe, [])
    before = state(pipe)
    with Door(pipe) as door:
        with door.run([Prompt("a cat")], 1, [Doubles()]) as run:
            edited = pipe(**run.texts, **ASK, generator=[torch.Generator().manual_seed(0)]).images
        assert torch.equal(pipe.unet.conv_in.weight, before[0]["unet"]["conv_in.weight"])
    assert same(before, state(pipe))
    assert not torch.allclose(edited, plain, atol=1e-2)


def test_a_run_that_failed_does_not_lock_the_door():
    pipe = tiny.sd()
    with Door(pipe) as door:
        with pytest.raises(ZeroDivisionError), door.run([Prompt("a cat")], 1, [Fails()]) as run:
            pipe(**run.texts, **ASK)
        with door.run([Prompt("a cat")], 1, [MAX]) as run:
            pipe(**run.texts, **ASK)
    assert "encode_prompt" not in vars(pipe)


def test_a_lora_that_is_loaded_inside_is_guarded_too():
    pipe = tiny.sd()
    with Door(pipe) as door:
        pipe.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
        refused(lambda: pipe("a cat", **ASK), "this network is guarded")
        with door.run([Prompt("a cat")], 1, [Pull()]) as run:
            inside = pipe(**run.texts, generator=[torch.Generator().manual_seed(0)], **ASK).images
    again, _ = guarded(pipe, [Pull()])
    assert torch.equal(inside, again)
    assert not torch.allclose(inside, guarded(tiny.sd(), [Pull()])[0], atol=1e-3)


def test_a_scheduler_that_is_exchanged_inside_is_followed():
    pipe = tiny.sd()
    with Door(pipe) as door:
        pipe.scheduler = diffusers.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
        with door.run([Prompt("a cat")], 1, [Pull()]) as run:
            pipe(**run.texts, **ASK)
    assert isinstance(run.backbone, SD)
    assert [(here.alpha, here.sigma) for here, _ in run.states[0]] == levels(pipe.scheduler)
