"""One request through generator, policy and record, block by block: what is finished is on record and out.

hard stop -> methods' prompt hooks -> prompt checks -> Generator.run under the methods
-> methods' image hooks -> image checks -> strictest outcome of each picture -> record -> release
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from safelight.core.errors import BadInput
from safelight.core.nouns import Prompt, Step
from safelight.core.ports import Judge
from safelight.core.records import Run
from safelight.core.valid import whole
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.diffusion.sampling import Picture, Sampling
from safelight.guarded.record import Record, run_row
from safelight.guarded.release import Guarded, Result
from safelight.guarded.stages import Ask, Prompts, asks, finished, prompts_of
from safelight.guarded.studio import Studio
from safelight.policies import Bound, Policy
from safelight.store import Store

MOST = 100_000
"""Pictures of one request, each of which is held in a list: a slip of the finger must not take the memory."""
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
    request = prepare(
        prompts, model, policy, n, seed, steps=steps, guidance=guidance, judges=judges, progress=progress
    )
    return Result(list(request.pictures(store)))


def prepare(
    prompts: Prompts,
    model: str | Path | Any = "miniature",
    policy: str | Path | Policy = "general",
    n: int = 1,
    seed: int = 0,
    *,
    steps: int | None = None,
    guidance: float | None = None,
    judges: Mapping[str, Judge] | None = None,
    progress: Progress = quiet,
) -> Request:
    """`generate` in two parts: here everything is checked, with its arguments and errors; nothing is drawn
    or written before the request's `pictures` are asked for.
    """
    wanted = prompts_of(prompts)
    whole("n", n, 1)
    whole("seed", seed, 0)
    if (total := len(wanted) * n) > MOST:
        raise BadInput(f"one request draws at most {MOST} pictures, got {total}: ask for fewer at a time")
    policy = policy if isinstance(policy, Policy) else Policy.load(policy)
    generator = model if isinstance(model, Generator) else load(model)
    given = {"steps": steps, "guidance": guidance}
    sampling = replace(
        generator.sampling, **{key: value for key, value in given.items() if value is not None}
    )
    bound = policy.bind(generator, judges)
    generator.check(bound.methods, sampling)
    return Request(wanted, generator, bound, n, seed, sampling, progress)


@dataclass(frozen=True)
class Request:
    """Prompts, model and policy that are known to fit each other. Made by `prepare`."""

    prompts: Sequence[Prompt]
    generator: Generator
    bound: Bound
    n: int
    seed: int
    sampling: Sampling
    progress: Progress

    def pictures(self, store: Store | None = None) -> Iterator[Guarded]:
        """Each picture as soon as its block is on record: an interrupted caller keeps them."""
        run, total = uuid4().hex, len(self.prompts) * self.n
        asked = list(asks(run, self.prompts, self.n, self.seed, self.bound))
        record = None
        if store is not None:
            record = Record(store, self._row(run, asked), self.bound.policy.keep_prompts)
        status = "failed"
        try:
            for block, a in enumerate(range(0, total, self.sampling.block)):
                self.progress(a, total)
                part = asked[a : a + self.sampling.block]
                with record.drawing(part, self.generator.name, block) if record else nullcontext():
                    pictures, pixels = self._block(a, part)
                yield from record.release(pictures, pixels, block) if record else pictures
            self.progress(total, total)
            status = "done"
        except (KeyboardInterrupt, GeneratorExit):
            status = "interrupted"
            raise
        finally:
            if record:
                record.close(status)

    def _block(self, before: int, part: Sequence[Ask]) -> tuple[list[Guarded], list[np.ndarray | None]]:
        """The pictures of a block as they may be released, and their pixels as they were made."""
        made = self._made(before, [ask for ask in part if not ask.refused])
        studio = Studio(self.generator, self.sampling, self.bound)
        return finished(part, made, self.bound, self.generator.name, studio)

    def _made(self, before: int, part: Sequence[Ask]) -> dict[str, Picture]:
        if not part:
            return {}

        def on_step(step: Step) -> None:
            share = min(1.0, (step.i + 1) / self.sampling.steps)  # some solvers iterate more often
            self.progress(before + share * len(part), len(self.prompts) * self.n)

        prompts, seeds = [ask.prompt for ask in part], [ask.seed for ask in part]
        made = self.generator.run(prompts, seeds, self.bound.methods, self.sampling, on_step)
        return {ask.sample: picture for ask, picture in zip(part, made, strict=True)}

    def _row(self, run: str, asked: Sequence[Ask]) -> Run:
        device = self.generator.backbone.device.type
        protocol = {"model": self.generator.content_hash, "sampling": self.sampling, "device": device}
        return run_row(run, "generate", self.generator.name, protocol, self.bound, asked, self.n, self.seed)
