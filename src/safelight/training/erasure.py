"""What objectives share that take concepts out of a network by training some of its tensors.

The model is changed in place while it is trained; leaving the objective's `with` block restores every bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from safelight.core.concepts import concept_texts
from safelight.core.errors import BadInput
from safelight.core.nouns import Cond
from safelight.core.ports import Backbone
from safelight.diffusion import patch
from safelight.diffusion.denoise import join
from safelight.store.artifacts import Artifact, Manifest, tensor_hash
from safelight.training.fit import Plan
from safelight.training.groups import trained
from safelight.training.lora import LowRank


@dataclass(frozen=True)
class Batch:
    """Partly denoised latents, their time steps, the texts whose predictions are trained, one each, and their
    targets; `seen` is what else the step's record shall say."""

    x: Float[Tensor, "b c h w"]
    t: Tensor
    texts: Sequence[str]
    target: Float[Tensor, "b c h w"]
    seen: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(eq=False, kw_only=True)
class Erasure:
    """A model with some of its tensors in training, or with low-rank changes of them, and its texts encoded
    once."""

    name: ClassVar[str]
    model: Backbone
    lora: int | None = None
    """Rank: only a LoRA of the group's matrices is trained, see `training.lora`. None: the group itself."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The objective's own configuration, as JSON."""
        raise NotImplementedError

    def _open(self, groups: str, group: str, texts: Sequence[str]) -> None:
        """The last step of a construction: prepares the model. `texts`: all that will be predicted, besides
        none."""
        model = self.model
        if model.dtype not in (torch.float32, torch.float64):
            raise BadInput(
                f"training needs full precision, not {model.dtype}: load the model with dtype='float32'"
            )
        chosen = trained(model.net, model.family, groups, group)
        self._conds = encoded(model, texts)
        self._lora = None if self.lora is None else LowRank(model.net, chosen, self.lora)
        self._parameters = self._lora.factors if self._lora else chosen
        self._flags = {parameter: parameter.requires_grad for parameter in model.net.parameters()}
        self._base = {name: value.detach().clone() for name, value in self._parameters.items()}
        self._touched = self._lora.matrices if self._lora else self._base
        self._hashes = {name: tensor_hash(value) for name, value in self._touched.items()}
        model.net.requires_grad_(False)
        for parameter in self._parameters.values():
            parameter.requires_grad_(True)

    def __enter__(self) -> Self:
        return self

    @torch.no_grad()
    def __exit__(self, *exception: object) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(self._base[name])
            parameter.grad = None
        for parameter, flag in self._flags.items():
            parameter.requires_grad_(flag)
        if self._lora:
            self._lora.remove()

    @property
    def config(self) -> Mapping[str, Any]:
        base = sha256("".join(self._hashes.values()).encode()).hexdigest()
        model = {"family": self.model.family, "base": base, "inputs": dict(self.model.inputs)}
        return {"method": self.name, **model, "settings": self.settings}

    def parameters(self) -> Mapping[str, nn.Parameter]:
        return self._parameters

    def loss(self, batch: Any) -> Mapping[str, Tensor]:
        """mean( (e_theta(x_t, t, text) - target)^2 )"""
        (predicted,) = self._predict(batch.x, batch.t, batch.texts)
        return {"loss": (predicted - batch.target).square().mean(), **batch.seen}

    def after_step(self) -> None:
        """Nothing, unless an objective keeps an average."""

    def state_dict(self) -> Mapping[str, Tensor]:
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Nothing, unless an objective keeps an average."""

    def final(self) -> Mapping[str, Tensor]:
        """The values that the training is for, by the names of `parameters`."""
        return self._parameters

    def result(self, plan: Plan) -> Artifact:
        """What was learned: an artifact of the kind `full`, the touched tensors' new values, or `lora`."""
        prefix = patch.prefix(self.model)
        manifest = Manifest.of(
            {prefix + name: value for name, value in self._touched.items()},
            kind="lora" if self._lora else "full",
            family=self.model.family,
            method=self.name,
            config={**self.settings, **self.model.inputs, "plan": asdict(plan)},
        )
        final = {prefix + name: value.detach().to("cpu", copy=True) for name, value in self.final().items()}
        return Artifact(manifest, final)

    def shown(self) -> AbstractContextManager[None]:
        """The model is what the training would leave if it ended now."""
        return self._holding(self.final())

    @contextmanager
    def _holding(self, values: Mapping[str, Tensor]) -> Iterator[None]:
        """The trained tensors have these values for the length of the block. No copy is made."""
        own = {name: parameter.data for name, parameter in self._parameters.items()}
        try:
            for name, parameter in self._parameters.items():
                parameter.data = values[name]
            yield
        finally:
            for name, parameter in self._parameters.items():
                parameter.data = own[name]

    def _cond(self, texts: Sequence[str]) -> Cond:
        """The conditioning of texts, each of which is encoded once in a training."""
        for text in texts:
            if text not in self._conds:
                self._conds[text] = self.model.encode([text])
        return join([self._conds[text] for text in texts])

    def _predict(self, x: Float[Tensor, "b c h w"], t: Tensor, *rows: Sequence[str]) -> tuple[Tensor, ...]:
        """The network's predictions for each row of b texts, in one forward pass."""
        conds = self._cond([text for texts in rows for text in texts])
        with _unguided(self.model):
            out = self.model.predict(torch.cat([x] * len(rows)), torch.cat([t] * len(rows)), conds)
        return out.chunk(len(rows))


@contextmanager
def _unguided(model: Backbone) -> Iterator[None]:
    """A network that is fed a guidance (Flux.1 dev) is fed 1 in here, which is its plain prediction, as in
    the program of ESD: at 3.5 a difference of two texts would count 3.5 times. Latents are sampled with the
    model's own."""
    before = dict(model.inputs)
    model.inputs |= {name: 1.0 for name in before if name == "embedded_guidance"}
    try:
        yield
    finally:
        model.inputs.update(before)


def concepts_of(concept: str | tuple[str, ...]) -> tuple[str, ...]:
    """The texts of one concept or several, each once.

    Raises:
        BadInput: there is none, one is empty, or two are the same.
    """
    texts = concept_texts(concept)
    if twice := sorted({text for text in texts if texts.count(text) > 1}):
        raise BadInput(f"concept names '{twice[0]}' twice: name each once")
    return texts


def encoded(model: Backbone, texts: Sequence[str]) -> dict[str, Cond]:
    """The conditioning of each text and of none, encoded once.

    Raises:
        BadInput: a text does not fit into the text encoder, or says nothing to it.
    """
    conds = {"": model.encode([""])}
    for text in texts:
        if lost := model.lost(text):
            raise BadInput(
                f"the text encoder does not read the end of '{text:.60}': '{lost:.200}' is cut; shorten it"
            )
        conds[text] = model.encode([text])
        tokens = conds[text].tokens
        if all(torch.equal(value, conds[""].tokens[key]) for key, value in tokens.items()):
            raise BadInput(f"'{text}' says nothing to the text encoder: it reads it as the empty text")
    return conds
