"""A generator: a backbone with its sampling defaults, from prompts and seeds to pictures in fixed blocks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import file_digest, sha256
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from safelight.core.compose import exclusive, refusals
from safelight.core.errors import BadInput, Refused
from safelight.core.method import Method, hooks
from safelight.core.nouns import Cap, Cond, Kind, Prompt, Step
from safelight.core.ports import Backbone
from safelight.diffusion.denoise import denoise, join, row_key
from safelight.diffusion.sampling import DTYPES, Picture, Sampling
from safelight.diffusion.solvers import Diffusers, draw, solver


class Generator:
    """A model ready to sample. Build one with `safelight.load`.

    Attributes:
        name: "miniature", a folder's name, a hub id, or a live pipeline's class.
        sampling: defaults of this model.
        judges: names of judges that were made for this model's pictures.
    """

    def __init__(
        self,
        name: str,
        backbone: Backbone,
        sampling: Sampling,
        judges: Sequence[str] = (),
        folder: Path | None = None,
    ):
        self.name, self.backbone, self.sampling = name, backbone, sampling
        self.judges, self.folder = tuple(judges), folder

    @property
    def family(self) -> str:
        return self.backbone.family

    @property
    def kind(self) -> Kind:
        return self.backbone.kind

    @property
    def caps(self) -> frozenset[Cap]:
        return self.backbone.caps

    @cached_property
    def content_hash(self) -> str:
        """sha256 of the weights: of the files if there are any (one hash for all dtypes), else of tensors."""
        total = sha256()
        if self.folder is not None:
            patterns = ["tokenizer*/*", *(f"{part}/*.safetensors" for part in self.backbone.parts)]
            for path in sorted(path for pattern in patterns for path in self.folder.glob(pattern)):
                with path.open("rb") as file:
                    total.update(f"{path.relative_to(self.folder).as_posix()} ".encode())
                    total.update(file_digest(file, "sha256").digest())
            return total.hexdigest()
        for name, part in self.backbone.parts.items():
            for key, value in sorted(part.state_dict().items()):
                total.update(f"{name} {key} {value.dtype} {tuple(value.shape)} ".encode())
                total.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        return total.hexdigest()

    def run(
        self,
        prompts: Sequence[Prompt | str],
        seeds: Sequence[int],
        methods: Sequence[Method] = (),
        sampling: Sampling | None = None,
        on_step: Callable[[Step], None] | None = None,
    ) -> list[Picture]:
        """One picture a prompt, on the noise of its seed, in blocks of `sampling.block`.

        Runs the methods' hooks edit, rows, embed, active, term and report. Their prompt and image hooks make
        decisions, and belong to the policy's door, `safelight.guarded`.

        Raises:
            BadInput: a prompt, a seed or a setting is unusable.
            Refused: a method cannot work with this model, could never act, or two exclude each other.
        """
        sampling = sampling or self.sampling
        if isinstance(prompts, str) or len(prompts) != len(seeds):
            raise BadInput(
                f"one seed a prompt, as two lists of one length; got {prompts!r:.80} and {seeds!r:.80}"
            )
        self._check(seeds, methods, sampling)
        asks = [_Ask.of(prompt, seed, methods, sampling) for prompt, seed in zip(prompts, seeds, strict=True)]
        if sampling.guidance == 1 and any(ask.prompt.negative for ask in asks):
            raise BadInput("guidance is 1: a negative text acts only above 1; raise guidance or leave it out")
        dropped = self._dropped(asks)
        pictures: list[Picture] = []
        with ExitStack() as edits, torch.no_grad():
            for method in methods:
                edits.enter_context(method.edit(self.backbone))
            for a in range(0, len(asks), sampling.block):
                pictures += self._block(asks[a : a + sampling.block], methods, sampling, on_step)
        off = {(name, said["why"]) for p in pictures for name, said in p.reports.items() if not said["on"]}
        for name, why in sorted(off):
            warnings.warn(f"'{name}' was off: {why}", stacklevel=2)
        return [replace(picture, dropped=words) for picture, words in zip(pictures, dropped, strict=True)]

    def solver(self, sampling: Sampling) -> Diffusers:
        """A fresh solver for one run of this model."""
        model = self.backbone
        schedule = model.schedule(sampling.steps, sampling.height, sampling.width)
        return solver(sampling.solver, sampling.steps, model.scheduler, model.device, schedule)

    def _check(self, seeds: Sequence[int], methods: Sequence[Method], sampling: Sampling) -> None:
        for seed in seeds:
            if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
                raise BadInput(f"a seed must be a whole number from 0 to 2**63 - 1, got {seed!r}")
        self.backbone.latent_shape(sampling.height, sampling.width)
        if DTYPES[sampling.dtype] != self.backbone.dtype:
            raise BadInput(
                f"'{self.name}' is not loaded in {sampling.dtype}: load it with dtype='{sampling.dtype}'"
            )
        n = len(self.solver(sampling).timesteps)
        problems = exclusive(methods)
        for method in methods:
            reasons = refusals(type(method), self) + method.check(n, sampling.guidance)
            problems += [f"'{method.name}': {reason}" for reason in reasons]
        if problems:
            raise Refused(problems)

    def _dropped(self, asks: Sequence[_Ask]) -> list[str]:
        """What the text encoder will not see of each prompt. Warns once for all, once for other texts."""
        dropped = [self.backbone.lost(ask.prompt.text) for ask in asks]
        if cut := [words for words in dropped if words]:
            first = f"the first loses {cut[0]!r:.200}"
            warnings.warn(
                f"{len(cut)} of {len(asks)} prompts are too long for the text encoder; {first}", stacklevel=3
            )
        others = {
            text
            for ask in asks
            for row, text in ask.rows.items()
            if row != "prompt" and isinstance(text, str)
        }
        for text in sorted(others):
            if words := self.backbone.lost(text):
                warnings.warn(
                    f"{text!r:.80} is too long for the text encoder, which loses {words!r}", stacklevel=3
                )
        return dropped

    def _block(self, asks: Sequence[_Ask], methods, sampling, on_step) -> list[Picture]:
        """One block: samples with the same rows in one batch, pictures in the order asked."""
        pictures: dict[int, Picture] = {}
        order = sorted(range(len(asks)), key=lambda j: tuple(asks[j].rows))
        for _, group in groupby(order, key=lambda j: tuple(asks[j].rows)):
            members = list(group)
            done = self._batch([asks[j] for j in members], methods, sampling, on_step)
            pictures |= zip(members, done, strict=True)
        return [pictures[j] for j in range(len(asks))]

    def _batch(self, asks: Sequence[_Ask], methods, sampling, on_step) -> list[Picture]:
        """Noise to pictures for samples with the same rows."""
        begun = perf_counter()
        steps = self.solver(sampling)
        rngs = [torch.Generator().manual_seed(ask.seed) for ask in asks]
        shape = self.backbone.latent_shape(sampling.height, sampling.width)
        x = draw(rngs, shape, self.backbone.device) * steps.init_scale
        conds = {row: self._cond(row, asks, methods) for row in asks[0].rows}
        states = [method.start() for method in methods]
        options = {"scale": sampling.guidance, "methods": methods, "states": states, "rngs": rngs}
        for step in denoise(self.backbone, steps, conds, x, **options):
            x = step.next
            if on_step is not None:
                on_step(step)
        images = self.backbone.decode(x)
        sound = (x.isfinite().flatten(1).all(1) & images.isfinite().flatten(1).all(1)).tolist()
        pixels = (images.permute(0, 2, 3, 1) * 255).round().to("cpu", torch.uint8).numpy()
        x, reports = x.cpu(), _reports(methods, states, len(asks))
        ms = (perf_counter() - begun) * 1000 / len(asks)
        return [
            Picture(pixels[j], x[j], ask.seed, reports[j], ms)
            if sound[j]
            else Picture(
                None, x[j], ask.seed, reports[j], ms, "failed", "the latent or the image is not finite"
            )
            for j, ask in enumerate(asks)
        ]

    def _cond(self, row: str, asks: Sequence[_Ask], methods: Sequence[Method]) -> Cond:
        """The conditioning of one row; a text that all samples share is encoded once and has batch 1."""
        texts = [ask.rows[row] for ask in asks]
        plain = [text for text in texts if isinstance(text, str)]
        if len(plain) < len(texts):
            cond = join([text if isinstance(text, Cond) else self.backbone.encode([text]) for text in texts])
        else:
            unique = list(dict.fromkeys(plain))
            cond = self.backbone.encode(unique)
            if len(unique) > 1:
                index = torch.tensor([unique.index(text) for text in plain], device=self.backbone.device)
                cond = cond.map(lambda x: x[index])
        for method in methods:
            if "embed" in hooks(type(method)):
                cond = cond.expand(len(asks))
                parts = [cond.map(lambda x, j=j: x[j : j + 1]) for j in range(len(asks))]
                name = row.rpartition(":")[2]
                cond = join(
                    [method.embed(part, name, ask.prompt) for part, ask in zip(parts, asks, strict=True)]
                )
        return cond


@dataclass(frozen=True)
class _Ask:
    """One sample to make, with its rows in the order of the batch: uncond, prompt, then the methods' own."""

    prompt: Prompt
    seed: int
    rows: Mapping[str, str | Cond]

    @classmethod
    def of(cls, prompt: Prompt | str, seed: int, methods: Sequence[Method], sampling: Sampling) -> _Ask:
        prompt = prompt if isinstance(prompt, Prompt) else Prompt(prompt)
        rows: dict[str, str | Cond] = {"uncond": prompt.negative, "prompt": prompt.text}
        for k, method in enumerate(methods):
            rows |= {row_key(k, name): text for name, text in method.rows(prompt).items()}
        if sampling.guidance == 1 and not any("term" in hooks(type(method)) for method in methods):
            del rows["uncond"]  # no guidance: nobody looks at it
        return cls(prompt, seed, rows)


def _reports(methods: Sequence[Method], states: Sequence[Any], b: int) -> list[dict[str, Any]]:
    """The methods' reports by picture; a method that is used twice is called `name#2` the second time."""
    out: list[dict[str, Any]] = [{} for _ in range(b)]
    for k, (method, state) in enumerate(zip(methods, states, strict=True)):
        before = sum(other.name == method.name for other in methods[:k])
        for picture, said in zip(out, method.report(state, b), strict=True):
            picture[f"{method.name}#{before + 1}" if before else method.name] = said
    return out
