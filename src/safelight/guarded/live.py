"""The second door: a deployer's own diffusers pipeline under a policy, for the length of a `with` block.

hard stop -> methods' prompt hooks -> prompt checks -> the pipeline, its network under the methods
-> methods' image hooks -> image checks -> strictest outcome of each picture -> record -> release
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any, Self
from uuid import uuid4

import numpy as np
import torch
from PIL import Image

from safelight.core.errors import BadInput
from safelight.core.method import Method, hooks
from safelight.core.nouns import Decision, Outcome, Prompt
from safelight.core.ports import Judge
from safelight.core.valid import whole
from safelight.diffusion.guard import Door
from safelight.diffusion.rows import warn_off
from safelight.guarded import arguments
from safelight.guarded.record import Record, run_row
from safelight.guarded.release import Guarded, Result
from safelight.guarded.stages import Ask, Prompts, asks, finished, prompts_of
from safelight.guarded.studio import Studio
from safelight.policies import Bound, Policy, asked_of
from safelight.store import Store

INTERRUPTED = "the run was interrupted, and no judge can be trusted on the noise that is left in the picture"


def guard(
    pipe: Any,
    policy: str | Policy | None = None,
    *,
    methods: Sequence[Method] | None = None,
    judges: Mapping[str, Judge] | None = None,
    store: Store | None = None,
) -> Live:
    """A live pipeline under a policy: `with guard(pipe, "general") as guarded: guarded(prompt, ...)`.

    Inside the block only `guarded` makes pictures: the pipeline itself, and any other one that shares its
    denoising network, refuses. Afterwards the pipeline is as it was before.

    Args:
        pipe: a diffusers pipeline of Stable Diffusion 1 or 2 or of SDXL, of a class that
            `safelight.diffusion.guard_families` knows. SD3 and Flux run in safelight's own loop:
            `safelight.generate(prompt, model=pipe)`.
        policy: a name, a TOML file or a `Policy`; by default "general", whose check needs a judge.
        methods: instead of a policy: these methods, the hard stop, and no checks.
        judges: judges of your own, by the name that the policy's checks and methods give them. A live
            pipeline has none by itself: for "general" pass judges={"oracle": judge}.
        store: where to record; without one the decisions are in the result only.

    Raises:
        BadInput, UnknownName: something named or given is unusable.
        Refused: the policy or the methods cannot run in this pipeline; every reason at once.
    """
    door = Door(pipe)
    if methods is not None:
        if policy is not None:
            raise BadInput("policy and methods exclude each other: list the methods in the policy")
        door.check(methods)
        tables = tuple({"use": method.name, **asdict(method)} for method in methods)  # pyright: ignore[reportArgumentType]
        asked = asked_of(methods, door, judges or {})
        return Live(door, Bound(Policy("methods", tables), tuple(methods), (), asked), store)
    chosen = policy if isinstance(policy, Policy) else Policy.load(policy or "general")
    return Live(door, chosen.bind(door, judges), store)


class Live:
    """A pipeline behind its door. Made by `guard`; enter it, then call it."""

    def __init__(self, door: Door, bound: Bound, store: Store | None):
        self.door, self.bound, self.store = door, bound, store
        self.repairs = any("image" in hooks(type(method)) for method in bound.methods)

    def __enter__(self) -> Self:
        self.door.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.door.__exit__(*error)

    def __call__(
        self,
        prompt: Prompts,
        *,
        negative_prompt: str | Sequence[str] | None = None,
        num_images_per_prompt: int = 1,
        seed: int = 0,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        **settings: Any,
    ) -> Result:
        """Pictures of prompts, from one call of the pipeline.

        Args:
            negative_prompt: the user's own, for all prompts or one each.
            seed: with the prompt's place and k it decides the noise, whatever the policy.
            generator: instead of a seed: one for each picture.
            settings: any other argument of the pipeline, but for those that `safelight.guarded.arguments`
                refuses.

        Raises:
            BadInput, UnknownName: an argument is unusable.
            Refused: a method could never act with these settings; the pipeline is at work in another call.
        """
        prompts = _with_negative(prompts_of(prompt), negative_prompt)
        whole("num_images_per_prompt", num_images_per_prompt, 1)
        whole("seed", seed, 0)
        n, settings = num_images_per_prompt, arguments.settings(self.door.pipe, settings)
        run = uuid4().hex
        asked = list(asks(run, prompts, n, seed, self.bound))
        asked, settings["generator"] = _noise(asked, generator)
        if self.store is None:
            return Result(self._pictures(asked, n, settings)[0])
        model = self.door.generator
        protocol = {
            "model": model.content_hash, "pipeline": _plain(self.door.pipe, settings),
            "device": model.backbone.device.type, "dtype": model.sampling.dtype,
        }  # fmt: skip
        row = run_row(run, "guard", self.door.name, protocol, self.bound, asked, n, seed)
        record = Record(self.store, row, self.bound.policy.keep_prompts)
        status = "failed"
        try:
            with record.drawing(asked, self.door.name, block=0):
                pictures, pixels = self._pictures(asked, n, settings)
            released = record.release(pictures, pixels, block=0)
            status = "done"
        finally:
            record.close(status)
        return Result(released)

    def _pictures(
        self, asked: Sequence[Ask], n: int, settings: Mapping[str, Any]
    ) -> tuple[list[Guarded], list[np.ndarray | None]]:
        """Pictures as they may be released, and their pixels as they were made."""
        asked, made = self._made(asked, n, settings)
        warn_off(picture.reports for picture in made.values())
        with self.door.own() if self.repairs else nullcontext():
            studio = Studio(self.door.generator, self.door.generator.sampling, self.bound)
            return finished(asked, made, self.bound, self.door.name, studio)

    def _made(
        self, asked: Sequence[Ask], n: int, settings: Mapping[str, Any]
    ) -> tuple[list[Ask], dict[str, _Picture]]:
        """The asks with what the pipeline's own safety checker flagged, and what came out, by sample."""
        if all(ask.refused for ask in asked):
            return list(asked), {}
        # Another prompt keeps the place of a refused one, so that its neighbours keep their noise and masks.
        stand_in = next(ask.prompt for ask in asked if not ask.refused)
        prompts = [stand_in if ask.refused else ask.prompt for ask in asked[::n]]
        kind = "np" if settings.get("padding_mask_crop") is None else "pil"  # all that pasting back can do
        begun = perf_counter()
        with self.door.run(prompts, n, self.bound.methods) as run:
            out = self.door.pipe(**run.texts, num_images_per_prompt=n, output_type=kind, **settings)
        ms = (perf_counter() - begun) * 1000 / len(asked)
        flags = getattr(out, "nsfw_content_detected", None) or [False] * len(asked)
        reports, lost = run.reports(), [words for words in run.dropped for _ in range(n)]
        told = [_flagged(ask) if flag else ask for ask, flag in zip(asked, flags, strict=True)]
        why = "the picture is not finite" if run.whole else INTERRUPTED
        made = {
            ask.sample: _Picture(_pixels(image) if run.whole else None, said, words, ms, why)
            for ask, image, said, words in zip(asked, out.images, reports, lost, strict=True)
            if not ask.refused
        }
        return told, made


@dataclass(frozen=True)
class _Picture:
    """What the pipeline made for one ask."""

    image: np.ndarray | None
    reports: Mapping[str, Mapping[str, Any]]
    dropped: str
    ms: float
    detail: str
    """Why there is none, where there is none."""


def _with_negative(prompts: Sequence[Prompt], negative: str | Sequence[str] | None) -> list[Prompt]:
    if negative is None:
        return list(prompts)
    texts = [negative] * len(prompts) if isinstance(negative, str) else list(negative)
    if len(texts) != len(prompts):
        raise BadInput(f"{len(texts)} negative prompts for {len(prompts)} prompts: give one, or one each")
    if any(prompt.negative for prompt in prompts):
        raise BadInput("negative_prompt and a Prompt with a negative text exclude each other")
    return [replace(prompt, negative=text) for prompt, text in zip(prompts, texts, strict=True)]


def _noise(
    asked: Sequence[Ask], given: torch.Generator | Sequence[torch.Generator] | None
) -> tuple[list[Ask], list[torch.Generator]]:
    """One generator a picture: its noise does not hang on its neighbours; and the asks with their seeds."""
    if given is None:
        return list(asked), [torch.Generator().manual_seed(ask.seed) for ask in asked]
    rngs = list(given) if isinstance(given, Sequence) else [given]
    if len(rngs) != len(asked):
        raise BadInput(f"{len(rngs)} generators for {len(asked)} pictures: give one for each, or a seed")
    return [replace(ask, seed=rng.initial_seed()) for ask, rng in zip(asked, rngs, strict=True)], rngs


def _flagged(ask: Ask) -> Ask:
    why = "the pipeline's own safety checker flagged the picture"
    decision = Decision(ask.sample, "image", "check", "safety-checker", Outcome.BLOCK, why)
    return replace(ask, decisions=(*ask.decisions, decision))


def _pixels(image: np.ndarray | Image.Image) -> np.ndarray | None:
    """8-bit RGB [h, w, 3], as diffusers rounds them; None if a value is not finite."""
    if isinstance(image, np.ndarray):
        return (image * 255).round().astype(np.uint8) if np.isfinite(image).all() else None
    return np.asarray(image.convert("RGB"))


def _plain(pipe: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON can say of the pipeline's class, scheduler and settings; of all else, that it was there."""
    simple = (bool, int, float, str, type(None))
    said = {
        key: value if isinstance(value, simple) else type(value).__name__ for key, value in settings.items()
    }
    return {"class": type(pipe).__name__, "scheduler": type(pipe.scheduler).__name__, "settings": said}
