"""One request through generator, policy and record, block by block: what is finished is on record and out.

hard stop -> methods' prompt hooks -> prompt checks -> Generator.run under the methods
-> methods' image hooks -> image checks -> strictest outcome of each picture -> record -> release
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from safelight.core.errors import BadInput
from safelight.core.nouns import Decision, Prompt, Step, strictest
from safelight.core.ports import Judge
from safelight.core.records import Run, canonical, digest, noise_seed, sample_id
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.diffusion.sampling import Picture, Sampling
from safelight.guarded.decide import broken, judged, on_image, on_prompt, sound, stopped
from safelight.guarded.record import Record
from safelight.guarded.release import WITHHELD, Guarded, Result, shown
from safelight.policies import Bound, Policy
from safelight.store import Store

Prompts = str | Prompt | Sequence[str | Prompt]
Progress = Callable[[float, int], None]
"""Called with how many pictures are ready, parts of one included, and how many are wanted."""


def quiet(done: float, total: int) -> None:
    """No progress."""


def generate(
    prompts: Prompts,
    model: str | Path | Any = "miniature",
    policy: str | Path | Policy = "general",
    n: int = 1,
    seed: int = 0,
    *,
    steps: int | None = None,
    guidance: float | None = None,
    store: Store | None = None,
    judges: Mapping[str, Judge] | None = None,
    progress: Progress = quiet,
) -> Result:
    """Pictures of prompts under a policy.

    Args:
        model: what `safelight.load` takes, or what it gave.
        policy: a name, a TOML file or a `Policy`.
        n: pictures of each prompt.
        seed: with the prompt's place and k it decides the noise, whatever the model and the policy.
        steps, guidance: instead of the model's defaults.
        store: where to record; without one the decisions are in the result only.
        judges: judges of your own, by the name that the policy's checks give them.

    Raises:
        BadInput, UnknownName: something named or given is unusable.
        Refused: the policy cannot run on this model; every reason at once.
    """
    asked = stream(
        prompts, model, policy, n, seed,
        steps=steps, guidance=guidance, store=store, judges=judges, progress=progress,
    )  # fmt: skip
    return Result(list(asked))


def stream(
    prompts: Prompts,
    model: str | Path | Any = "miniature",
    policy: str | Path | Policy = "general",
    n: int = 1,
    seed: int = 0,
    *,
    steps: int | None = None,
    guidance: float | None = None,
    store: Store | None = None,
    judges: Mapping[str, Judge] | None = None,
    progress: Progress = quiet,
) -> Iterator[Guarded]:
    """The pictures of `generate`, each as soon as its block is on record: an interrupted caller keeps them.

    Arguments and errors as of `generate`; everything is checked before the first picture is asked for.
    """
    asked = _prompts(prompts)
    _whole("n", n, 1)
    _whole("seed", seed, 0)
    policy = policy if isinstance(policy, Policy) else Policy.load(policy)
    generator = model if isinstance(model, Generator) else load(model)
    given = {"steps": steps, "guidance": guidance}
    sampling = replace(
        generator.sampling, **{key: value for key, value in given.items() if value is not None}
    )
    bound = policy.bind(generator, judges)
    return _Request(asked, generator, bound, n, seed, sampling, store, progress).pictures()


@dataclass(frozen=True)
class Ask:
    """One picture that is wanted. `prompt` is what the methods made of the user's own."""

    sample: str
    user: Prompt
    prompt: Prompt
    row: int
    k: int
    seed: int
    decisions: tuple[Decision, ...]

    @property
    def refused(self) -> bool:
        return strictest(d.outcome for d in self.decisions) in WITHHELD


@dataclass(frozen=True)
class _Request:
    prompts: Sequence[Prompt]
    generator: Generator
    bound: Bound
    n: int
    seed: int
    sampling: Sampling
    store: Store | None
    progress: Progress

    def pictures(self) -> Iterator[Guarded]:
        run, total = uuid4().hex, len(self.prompts) * self.n
        asks = [ask for row, prompt in enumerate(self.prompts) for ask in self._asks(run, row, prompt)]
        record = Record(self.store, self._run(run, asks)) if self.store is not None else None
        status = "failed"
        try:
            for block, a in enumerate(range(0, total, self.sampling.block)):
                self.progress(a, total)
                pictures, pixels = self._block(a, asks[a : a + self.sampling.block])
                yield from record.release(pictures, pixels, block) if record else pictures
            self.progress(total, total)
            status = "done"
        except (KeyboardInterrupt, GeneratorExit):
            status = "interrupted"
            raise
        finally:
            if record:
                record.close(status)

    def _asks(self, run: str, row: int, user: Prompt) -> Iterator[Ask]:
        """The n pictures of one prompt, on which the prompt stage decides once."""
        prompt, decisions = on_prompt(user, self.bound)
        for k in range(self.n):
            sample, noise = sample_id(run, "generate", row, k), noise_seed(f"generate/{self.seed}", row, k)
            yield Ask(sample, user, prompt, row, k, noise, _about(sample, decisions))

    def _block(self, before: int, asks: Sequence[Ask]) -> tuple[list[Guarded], list[np.ndarray | None]]:
        """The pictures of a block as they may be released, and their pixels as they were made."""
        made = self._made(before, [ask for ask in asks if not ask.refused])
        pixels: dict[str, np.ndarray] = {}
        said = {ask.sample: list(ask.decisions) for ask in asks}
        for ask in asks:
            if picture := made.get(ask.sample):
                image, decisions = self._finished(ask, picture)
                said[ask.sample] += _about(ask.sample, decisions)
                if image is not None:
                    pixels[ask.sample] = image
        for check in self.bound.checks:
            if check.check.stage == "image" and pixels:
                for sample, decision in zip(pixels, judged(check, list(pixels.values())), strict=True):
                    said[sample] += _about(sample, [decision])
        ready = [
            _guarded(ask, said[ask.sample], pixels.get(ask.sample), made.get(ask.sample)) for ask in asks
        ]
        return ready, [pixels.get(ask.sample) for ask in asks]

    def _made(self, before: int, asks: Sequence[Ask]) -> dict[str, Picture]:
        if not asks:
            return {}

        def on_step(step: Step) -> None:
            share = min(1.0, (step.i + 1) / self.sampling.steps)  # some solvers iterate more often
            self.progress(before + share * len(asks), len(self.prompts) * self.n)

        prompts, seeds = [ask.prompt for ask in asks], [ask.seed for ask in asks]
        made = self.generator.run(prompts, seeds, self.bound.methods, self.sampling, on_step)
        return {ask.sample: picture for ask, picture in zip(asks, made, strict=True)}

    def _finished(self, ask: Ask, picture: Picture) -> tuple[np.ndarray | None, list[Decision]]:
        """A picture after the methods' image hooks; None, with a decision that blocks, if there is none."""
        image, decisions, why = picture.image, [], picture.detail
        if image is not None:
            image, decisions = on_image(image, ask.prompt, self.bound, self.generator)
            why = "no picture of 8-bit RGB pixels came out"
        if sound(image):
            return image, decisions
        return None, [*decisions, broken("image", "generate", self.generator.name, why)]

    def _run(self, run: str, asks: Sequence[Ask]) -> Run:
        """The row of this request. Texts only where the policy keeps them; none the hard stop refused."""
        protocol = {"model": self.generator.content_hash, "sampling": self.sampling}
        refused = {ask.row for ask in asks if stopped(ask.decisions)}
        texts = [None if row in refused else prompt for row, prompt in enumerate(self.prompts)]
        config = protocol | {
            "command": "generate", "name": self.generator.name, "policy": self.bound.policy, "n": self.n,
            "seed": self.seed, "prompts": texts if self.bound.policy.keep_prompts else len(texts),
        }  # fmt: skip
        versions = {name: version(name) for name in ("safelight", "torch", "diffusers", "transformers")}
        return Run(run, canonical(config), digest(protocol), "", versions, "running")


def _guarded(
    ask: Ask, decisions: Sequence[Decision], pixels: np.ndarray | None, picture: Picture | None
) -> Guarded:
    outcome = strictest(decision.outcome for decision in decisions)
    image = None if pixels is None else shown(pixels, outcome)
    guarded = Guarded(ask.sample, ask.user, ask.row, ask.k, ask.seed, image, outcome, tuple(decisions))
    if picture is None:
        return guarded
    return replace(guarded, reports=picture.reports, dropped=picture.dropped, ms=picture.ms)


def _about(sample: str, decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    return tuple(replace(decision, sample=sample) for decision in decisions)


def _prompts(prompts: Prompts) -> list[Prompt]:
    """At least one prompt, each with a text."""
    if isinstance(prompts, str | Prompt):
        prompts = [prompts]
    elif not isinstance(prompts, Sequence):
        raise BadInput(f"prompts must be a text or several, got {type(prompts).__name__}")
    asked = [prompt if isinstance(prompt, Prompt) else Prompt(prompt) for prompt in prompts]
    if not asked:
        raise BadInput("there is no prompt: give at least one text")
    if empty := [row for row, prompt in enumerate(asked, 1) if not prompt.text.strip()]:
        raise BadInput(f"prompt {empty[0]} is empty: write what the picture should show")
    return asked


def _whole(name: str, value: int, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadInput(f"{name} must be a whole number of at least {least}, got {value!r}")
