"""CA: Concept Ablation (Kumari et al. 2023, arXiv 2303.13516).

Idea: for a target text ("a harbour, in the style of T") the network learns to predict what it predicts for
its anchor ("a harbour"), on noised pictures that the original model made of the anchor. What was the concept
becomes the anchor, where SDD maps it onto no text at all.

Equations: z anchor latent, eps noise, t ~ U{0..T-1}, z_t = alpha_t z + sigma_t eps, c* target, c anchor:
    model-based: L = || e_theta(z_t, t, c*) - stopgrad e_theta(z_t, t, c) ||^2
    noise-based: L = || e_theta(z_t, t, c*) - eps ||^2; for a network that predicts v, its velocity
    with prior:  L + prior || e_theta(z_t', t', c') - eps' ||^2 on independent anchors
Each norm is a mean over the batch's elements, the first one times the number of latent channels. Gradients
through the keys and values of token 0, which is the same in all texts, are cut.

Differs: this is github.com/nupurkmr9/concept-ablation at c11fb1b, `diffusers/`. The factor of the channels is
its masked mean (the mask has one channel); it matters beside the prior and the clipping. Anchors are latents
as they were sampled, not pictures encoded again, and neither flipped nor resized: so no "far away" or "zoomed
in" texts. The embedding group, broken as released, is left out. A target is drawn for each sample, not tied
to the picture's number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, ClassVar, Literal, final

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from safelight.core.errors import BadInput
from safelight.core.ports import Backbone
from safelight.core.valid import number, one_of, whole
from safelight.store.artifacts import tensor_hash
from safelight.training.erasure import Batch, Erasure, concepts_of
from safelight.training.fit import Plan, index
from safelight.training.groups import KEYS_AND_VALUES, demand_unet

FORMS: Mapping[str, tuple[str, ...]] = {
    "style": ("{p}, in the style of {t}", "in {t}'s style, {p}", "in {t}'s style, {p}"),
    "nudity": ("{t}, {p}", "in {t} style, {p}", "{p}, {t}"),
}
"""How a target text is made of an anchor p and a concept t, each a third of the time; two are equal as
released. A third kind, "object", replaces words: its concept is "A+T", and T stands where the anchor has
A."""
PLANS: Mapping[str, Plan] = {
    "style": Plan(200, 4 * 2e-6, weight_decay=1e-2, clip=1.0),
    "object": Plan(200, 4 * 2e-6, weight_decay=1e-2, clip=1.0),
    "nudity": Plan(800, 2 * 4 * 4e-6, weight_decay=1e-2, clip=1.0),
}
"""As released for one GPU and batches of 4, whose rate is the base rate times the batch, twice that with
prior.
"nudity" is with prior and group "attn"."""


@final
@dataclass(eq=False)
class CA(Erasure):
    """Maps concepts onto anchors in `model`: an `Objective`.

    Raises:
        BadInput, UnknownName, Refused: a setting cannot be used, or not with this model; before any work.
    """

    name: ClassVar[str] = "ca"

    model: Backbone
    concept: str | tuple[str, ...]
    """T, or "A+T" for objects; of several, one is drawn for each sample."""
    anchors: Sequence[str]
    """One text a latent."""
    latents: Float[Tensor, "n c h w"] = field(repr=False)
    """What the original model made of the anchors."""
    concept_type: Literal["style", "object", "nudity"] = "style"
    loss_type: Literal["model-based", "noise-based"] = "model-based"
    group: str = "cross-attn"
    """Which tensors: see `groups.GROUPS["ca"]`."""
    prior: float = 0.0
    """Weight of the loss on independent anchors; 0 for none, 1 as released where there is one."""
    batch_size: int = 4

    def __post_init__(self):
        one_of("concept_type", self.concept_type, PLANS)
        one_of("loss_type", self.loss_type, ("model-based", "noise-based"))
        number("prior", self.prior, 0)
        whole("batch_size", self.batch_size, 1)
        self._concepts = concepts_of(self.concept)
        demand_unet(self.model)
        self._demand_anchors()
        abar = self.model.scheduler.alphas_cumprod.double()
        self._alpha, self._sigma = abar.sqrt(), (1 - abar).sqrt()
        self._open("ca", self.group, [])
        layers = [layer for name, layer in self.model.net.named_modules() if name.endswith(KEYS_AND_VALUES)]
        self._cuts = [layer.register_forward_hook(cut_first_token) for layer in layers]

    def __exit__(self, *exception: object) -> None:
        for cut in self._cuts:
            cut.remove()
        super().__exit__(*exception)

    @property
    def settings(self) -> Mapping[str, Any]:
        anchors = sha256("\n".join([*self.anchors, tensor_hash(self.latents)]).encode()).hexdigest()
        names = ("concept_type", "loss_type", "group", "lora", "prior", "batch_size")
        return {name: getattr(self, name) for name in names} | {"concept": self._concepts, "anchors": anchors}

    def batch(self, step: int, rng: Generator) -> list[Batch]:
        """The targets' batch and, with prior, the anchors'. Draws in turn picture, concept and form of each
        sample, then noise and time steps."""
        picked: list[int] = []
        texts: list[str] = []
        for _ in range(self.batch_size):
            k, concept, form = (index(n, rng) for n in (len(self.anchors), len(self._concepts), 3))
            picked.append(k)
            texts.append(target_texts(self.concept_type, self._concepts[concept], self.anchors[k])[form])
        x, t, true = self._noised(picked, rng)
        if self.loss_type == "model-based":
            with torch.no_grad():
                (true,) = self._predict(x, t, [self.anchors[k] for k in picked])
        batches = [Batch(x, t, texts, true)]
        if self.prior:
            picked = [index(len(self.anchors), rng) for _ in range(self.batch_size)]
            x, t, true = self._noised(picked, rng)
            batches.append(Batch(x, t, [self.anchors[k] for k in picked], true))
        return batches

    def loss(self, batch: list[Batch]) -> Mapping[str, Tensor]:
        x, t, target = (torch.cat([getattr(part, name) for part in batch]) for name in ("x", "t", "target"))
        (predicted,) = self._predict(x, t, [text for part in batch for text in part.texts])
        main, *prior = (part.mean() for part in (predicted - target).square().chunk(len(batch)))
        main = main * x.shape[1]
        return {"loss": main + self.prior * prior[0], "prior": prior[0]} if prior else {"loss": main}

    def _noised(self, picked: Sequence[int], rng: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """z_t, t, and the noise or velocity in it."""
        model = self.model
        z = self.latents[list(picked)].to(model.device, model.dtype)
        eps = torch.randn(z.shape, generator=rng).to(z)
        t = torch.randint(len(self._alpha), (len(picked),), generator=rng)
        alpha, sigma = (level[t].to(z)[:, None, None, None] for level in (self._alpha, self._sigma))
        true = eps if model.kind == "epsilon" else alpha * eps - sigma * z
        return alpha * z + sigma * eps, t.to(model.device), true

    def _demand_anchors(self) -> None:
        """Raises BadInput unless there is one sound latent an anchor, and each target text can be read."""
        if not self.anchors or len(self.anchors) != len(self.latents):
            raise BadInput(
                f"one latent an anchor: got {len(self.anchors)} anchors, {len(self.latents)} latents"
            )
        if not self.latents.isfinite().all():
            raise BadInput("latents are not finite: leave out pictures that failed")
        for concept in self._concepts:
            for anchor in self.anchors:
                targets = target_texts(self.concept_type, concept, anchor)
                if anchor in targets:
                    raise BadInput(f"the target text is the anchor itself: {anchor!r}")
                for text in (anchor, *targets):
                    if lost := self.model.lost(text):
                        raise BadInput(
                            f"the text encoder does not read the end of '{text:.60}': '{lost:.200}'"
                        )


def target_texts(concept_type: str, concept: str, anchor: str) -> tuple[str, ...]:
    """The three forms of the target text for an anchor.

    Raises:
        BadInput: an object's concept is not "A+T", or the anchor has no A.
    """
    if concept_type != "object":
        return tuple(form.format(p=anchor, t=concept) for form in FORMS[concept_type])
    old, plus, new = concept.partition("+")
    if not (old and plus and new):
        raise BadInput(
            f"an object's concept is written 'A+T', what anchors say and what is taken out; got {concept!r}"
        )
    if old not in anchor:
        raise BadInput(f"the anchor {anchor!r} does not have the word {old!r} that {concept!r} replaces")
    return (anchor.replace(old, new),) * 3


def cut_first_token(layer: nn.Module, given: Any, out: Float[Tensor, "b l d"]) -> Float[Tensor, "b l d"]:
    """Forward hook: the same values, without gradient through token 0."""
    return torch.cat([out[:, :1].detach(), out[:, 1:]], dim=1)
