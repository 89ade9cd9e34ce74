"""A generator: a backbone with its sampling defaults, from prompts and seeds to pictures in fixed blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import file_digest, sha256
from itertools import groupby
from pathlib import Path
from time import perf_counter

import torch
from accelerate.utils.modeling import get_state_dict_offloaded_model
from torch import Tensor, nn

from safelight.core.compose import exclusive, refusals
from safelight.core.errors import BadInput, Refused
from safelight.core.method import Method
from safelight.core.nouns import Cap, Cond, Kind, Prompt, Step
from safelight.core.ports import Backbone
from safelight.diffusion.denoise import denoise
from safelight.diffusion.rows import condition, dropped, guides, reports, rows, warn_off
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
            for key, value in sorted(_weights(part).items()):
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
        for seed in seeds:
            if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
                raise BadInput(f"a seed must be a whole number from 0 to 2**63 - 1, got {seed!r}")
        self.check(methods, sampling)
        asks = [_Ask.of(prompt, seed, methods, sampling) for prompt, seed in zip(prompts, seeds, strict=True)]
        if sampling.guidance == 1 and any(ask.prompt.negative for ask in asks):
            raise BadInput("guidance is 1: a negative text acts only above 1; raise guidance or leave it out")
        lost = dropped(self.backbone, [ask.prompt for ask in asks], [ask.rows for ask in asks])
        pictures: list[Picture] = []
        with ExitStack() as edits, torch.no_grad():
            for method in methods:
                edits.enter_context(method.edit(self.backbone))
            for a in range(0, len(asks), sampling.block):
                pictures += self._block(asks[a : a + sampling.block], methods, sampling, on_step)
        warn_off(picture.reports for picture in pictures)
        return [replace(picture, dropped=words) for picture, words in zip(pictures, lost, strict=True)]

    def solver(self, sampling: Sampling) -> Diffusers:
        """A fresh solver for one run of this model."""
        model = self.backbone
        schedule = model.schedule(sampling.steps, sampling.height, sampling.width)
        return solver(sampling.solver, sampling.steps, model.scheduler, model.device, schedule)

    def check(self, methods: Sequence[Method], sampling: Sampling) -> None:
        """What `run` raises about methods and settings, whatever the prompts."""
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
        prompts = [ask.prompt for ask in asks]
        conds = {
            row: condition(self.backbone, row, [ask.rows[row] for ask in asks], prompts, methods)
            for row in asks[0].rows
        }
        states = [method.start() for method in methods]
        options = {"scale": sampling.guidance, "methods": methods, "states": states, "rngs": rngs}
        for step in denoise(self.backbone, steps, conds, x, **options):
            x = step.next
            if on_step is not None:
                on_step(step)
        images = self.backbone.decode(x)
        sound = (x.isfinite().flatten(1).all(1) & images.isfinite().flatten(1).all(1)).tolist()
        pixels = (images.permute(0, 2, 3, 1) * 255).round().to("cpu", torch.uint8).numpy()
        x, said = x.cpu(), reports(methods, states, len(asks))
        ms = (perf_counter() - begun) * 1000 / len(asks)
        return [
            Picture(pixels[j], x[j], ask.seed, said[j], ms)
            if sound[j]
            else Picture(None, x[j], ask.seed, said[j], ms, "failed", "the latent or the image is not finite")
            for j, ask in enumerate(asks)
        ]


@dataclass(frozen=True)
class _Ask:
    """One sample to make, with its rows in the order of the batch: uncond, prompt, then the methods' own."""

    prompt: Prompt
    seed: int
    rows: Mapping[str, str | Cond]

    @classmethod
    def of(cls, prompt: Prompt | str, seed: int, methods: Sequence[Method], sampling: Sampling) -> _Ask:
        prompt = prompt if isinstance(prompt, Prompt) else Prompt(prompt)
        named = rows(prompt, methods)
        if sampling.guidance == 1 and not guides(methods):
            del named["uncond"]  # no guidance: nobody looks at it
        return cls(prompt, seed, named)


def _weights(net: nn.Module) -> Mapping[str, Tensor]:
    """By name; layers that are offloaded one by one are brought in for it."""
    by_layer = any(value.is_meta for value in net.parameters())
    return get_state_dict_offloaded_model(net) if by_layer else net.state_dict()
