"""GuardT2I's training: captions, encoded by the frozen text encoder, are to be said again.

Idea: no labels and no attacks. The captions should be as a model's own were, unfiltered, so that the decoder
has the words for what it must name.

Equations (arXiv:2403.01446, Sec. 3.1): L = - sum_t log p(y_t | y_<t, tau(y)), here a mean over tokens.

Differs: released captions are a text encoder's features cut off to whole numbers; ours are not. The released
decoder starts from BERT's weights, this one from random ones. `ema` trains on and keeps a running mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from safelight.core.errors import BadInput, Refused
from safelight.core.hard_stop import forbidden
from safelight.core.ports import Backbone
from safelight.core.records import digest
from safelight.core.valid import number, one_of, whole
from safelight.interpret import files
from safelight.interpret.decoder import Conditioning, Decoder, Shape
from safelight.interpret.encoder import Encoder
from safelight.interpret.guard import Guard
from safelight.store.artifacts import Artifact, tensor_hash
from safelight.training.ema import EMA
from safelight.training.fit import Plan
from safelight.training.processes import count

PLAN = Plan(steps=488_281, lr=1e-5)
"""As published: 50 epochs of 10 million captions in batches of 1,024."""
SKIPPED = -100
"""What cross-entropy leaves out."""


@dataclass(frozen=True)
class Batch:
    """States [b, k, w], tokens that are given [b, l] and those that follow [b, l]."""

    states: Tensor
    given: Tensor
    follows: Tensor


@dataclass(eq=False)
class GuardT2I:
    """A decoder in training for one of a model's text encoders.

    Raises:
        BadInput: a file has no texts, or a setting is unusable.
        Refused: the hard stop holds for a text, or several processes would train.
    """

    name: ClassVar[str] = files.METHOD
    model: Backbone
    captions: str
    """A text file, one caption a line."""
    normal: str
    """A text file of normal prompts, one a line, unseen in training: the threshold is calibrated on them."""
    encoder: str = "text_encoder"
    conditioning: Conditioning = "pooled_pad"
    hidden: int = 1024
    layers: int = 24
    heads: int = 16
    batch_size: int = 1024
    ema: float = 0.0
    """Of the weights that are kept; 0: the last ones, as published."""
    target_fpr: float = 0.05

    def __post_init__(self):
        if count() > 1:
            raise Refused(["guardt2i trains in one process: start it without torchrun"])
        whole("batch_size", self.batch_size, 1)
        number("target_fpr", self.target_fpr, 0, 1, above=True)
        one_of("encoder", self.encoder, self.model.texts)
        text = self.model.texts[self.encoder]
        self._encoder = Encoder(text.net, text.tokenizer, text.length, self.encoder)
        self._captions, self._normal = _lines(self.captions), _lines(self.normal)
        if len(self._normal) * self.target_fpr < 1:
            raise BadInput(
                f"calibration at {self.target_fpr:g} needs {1 / self.target_fpr:.0f} normal prompts or more; "
                f"{self.normal} has {len(self._normal)}"
            )
        shape = Shape(
            self._encoder.vocabulary, self._encoder.width, text.length, self.conditioning,
            self.hidden, self.layers, self.heads,
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.decoder = Decoder(shape).to(self.model.device)
        self._mean = EMA(self.parameters(), self.ema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """The model was only read."""

    @property
    def settings(self) -> Mapping[str, Any]:
        texts = {"captions": self._captions, "normal": self._normal}
        told = {name: {"n": len(lines), "sha256": _hash(lines)} for name, lines in texts.items()}
        names = ("encoder", "conditioning", "hidden", "layers", "heads", "batch_size", "ema", "target_fpr")
        return told | {name: getattr(self, name) for name in names}

    @property
    def config(self) -> Mapping[str, Any]:
        base = digest({name: tensor_hash(value) for name, value in self._encoder.tensors.items()})
        return {"method": self.name, "family": self.model.family, "base": base, "settings": self.settings}

    def parameters(self) -> Mapping[str, nn.Parameter]:
        return dict(self.decoder.named_parameters())

    def batch(self, step: int, rng: torch.Generator) -> Batch:
        chosen = torch.randint(len(self._captions), (self.batch_size,), generator=rng).tolist()
        windows = self._encoder.windows([self._captions[k] for k in chosen]).first()
        ids, lengths = windows.ids[:, : max(windows.lengths)], torch.tensor(windows.lengths)
        if ids[0, 0] != self._encoder.start:  # T5 has no start of its own
            ids, lengths = F.pad(ids, (1, 0), value=self._encoder.start), lengths + 1
        beyond = torch.arange(1, ids.shape[1]) >= lengths[:, None]
        follows = ids[:, 1:].masked_fill(beyond, SKIPPED)
        device = self.model.device
        states = self._encoder.states(windows, self.conditioning)
        return Batch(states, ids[:, :-1].to(device), follows.to(device))

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        logits, _ = self.decoder(batch.given, self.decoder.read(batch.states))
        return {"loss": F.cross_entropy(logits.flatten(0, 1), batch.follows.flatten(), ignore_index=SKIPPED)}

    def after_step(self) -> None:
        self._mean.update()

    def state_dict(self) -> Mapping[str, Tensor]:
        return self._mean.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._mean.load_state_dict(dict(state))

    def shown(self) -> AbstractContextManager[None]:
        """Pictures do not change: the decoder is no part of the model."""
        return nullcontext()

    def result(self, plan: Plan) -> Artifact:
        """The decoder, calibrated as its file will hold it, with the fingerprint of its encoder."""
        learned = Decoder(self.decoder.shape).to(self.model.device)
        learned.load_state_dict(self._mean.mean)
        kept = files.rounded(learned).to(self.model.device)
        calibration = Guard(self._encoder, kept).calibrate(self._normal, self.target_fpr)
        config = {**self.settings, "plan": asdict(plan)}
        return files.pack(kept, self._encoder, calibration, self.model.family, config)


def _lines(path: str) -> list[str]:
    """The texts of a file."""
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}; name a text file with one text a line") from error
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise BadInput(f"{path} holds no texts: write one a line")
    for place, text in enumerate(texts, 1):
        if forbidden(text):
            raise Refused([f"{path}: the hard stop holds for text {place}; take it out"])
    return texts


def _hash(texts: Sequence[str]) -> str:
    return sha256("\n".join(texts).encode()).hexdigest()
