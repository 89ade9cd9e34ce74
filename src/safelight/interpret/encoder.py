"""A model's own text encoder as GuardT2I reads it: long prompts in windows, states, and a fingerprint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers
from jaxtyping import Float, Int
from torch import Tensor
from transformers.utils import logging

from safelight.core.errors import BadInput, Damaged, Refused
from safelight.core.records import digest
from safelight.interpret.decoder import Conditioning
from safelight.store.artifacts import Manifest

MINIATURE = Path(__file__).parent.parent / "miniature" / "weights"
PROBE = "A photo, of 2 cats: naïve café! кот 猫 ξ 😀 x_y's"
"""Tokenizers with one vocabulary that split this alike are taken for the same."""


@dataclass(frozen=True)
class Windows:
    """Prompts as the encoder can take them, one row each that it reads at once.

    owners: the place of the window's prompt in the list. texts: what of the prompt its tokens stand for.
    lengths: tokens of each, start and end included; what follows in `ids` is padding.
    """

    owners: tuple[int, ...]
    texts: tuple[str, ...]
    lengths: tuple[int, ...]
    ids: Int[Tensor, "n l"]

    def chosen(self, rows: Sequence[int]) -> Windows:
        """Some of them."""
        return Windows(
            tuple(self.owners[row] for row in rows),
            tuple(self.texts[row] for row in rows),
            tuple(self.lengths[row] for row in rows),
            self.ids[list(rows)],
        )

    def first(self) -> Windows:
        """The first of each prompt."""
        return self.chosen([self.owners.index(owner) for owner in dict.fromkeys(self.owners)])


@dataclass(frozen=True)
class Encoder:
    """A frozen text encoder with its tokenizer, as `transformers` has them. CLIP's and T5's are known.

    part: its name in the model's folder. length: tokens that the image model lets it read, start and end
    included.
    """

    net: Any
    tokenizer: Any
    length: int
    part: str = "text_encoder"

    @property
    def width(self) -> int:
        return self.net.config.hidden_size

    @property
    def vocabulary(self) -> int:
        return len(self.tokenizer)

    @property
    def start(self) -> int:
        """What a decoder begins with: CLIP's start; T5 has none, and begins with its padding."""
        first = self.tokenizer.bos_token_id
        return self.tokenizer.pad_token_id if first is None else first

    @property
    def end(self) -> int:
        return self.tokenizer.eos_token_id

    @cached_property
    def special(self) -> int:
        """How many tokens of a window are start and end."""
        return self.tokenizer.num_special_tokens_to_add()

    def windows(self, texts: Sequence[str]) -> Windows:
        """Every token of every text: of a text that is too long, one window after the other."""
        tokens = self.tokenizer(
            list(texts), truncation=True, max_length=self.length, padding="max_length",
            return_overflowing_tokens=True, return_offsets_mapping=True, verbose=False,
        )  # fmt: skip
        owners: tuple[int, ...] = tuple(tokens["overflow_to_sample_mapping"])
        spans = [[span for span in row if span[1] > span[0]] for row in tokens["offset_mapping"]]
        parts = [
            texts[o][row[0][0] : row[-1][1]] if row else "" for o, row in zip(owners, spans, strict=True)
        ]
        lengths = tuple(sum(row) for row in tokens["attention_mask"])
        return Windows(owners, tuple(parts), lengths, torch.tensor(tokens["input_ids"]))

    def decode(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(list(ids), skip_special_tokens=True).strip()

    @torch.no_grad()
    def states(self, windows: Windows, conditioning: Conditioning) -> Float[Tensor, "n k w"]:
        """tau(p): all places, or (k = 1) the place at which the text ends.

        The pooled state is CLIP's own: after the last norm, at the end token, before any projection. A causal
        encoder does not look at the padding behind it, so that is left out.

        Raises:
            BadInput: this encoder has no pooled state.
        """
        device = self.net.device
        if conditioning == "sequence":
            return self.net(windows.ids.to(device)).last_hidden_state.float()
        if not self.net.config.model_type.startswith("clip"):
            kind = self.net.config.model_type
            raise BadInput(f"'{kind}' has no state for a whole text: take conditioning = 'sequence'")
        states = self.net(windows.ids[:, : max(windows.lengths)].to(device)).last_hidden_state
        last = torch.tensor(windows.lengths, device=device) - 1
        return states[torch.arange(len(last), device=device), last].float()[:, None]

    @cached_property
    def tokens(self) -> str:
        """A hash of the tokenizer: its vocabulary, and how it splits a text of many kinds of letters."""
        vocabulary = sorted(self.tokenizer.get_vocab().items())
        return digest([vocabulary, self.tokenizer(PROBE).input_ids, self.length])

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Its parameters, named as in artifacts."""
        return {f"{self.part}.{name}": value for name, value in self.net.named_parameters()}

    def demand(self, manifest: Manifest, path: str | Path) -> None:
        """Raises Refused unless the decoder in `path` was trained for this encoder and this tokenizer."""
        problems = manifest.misfits(manifest.family, self.tensors)
        if manifest.config.get("tokenizer") != self.tokens:
            problems.append("it was trained with another tokenizer")
        if problems:
            raise Refused([f"the decoder {path} cannot read this text encoder: {why}" for why in problems])


def load(folder: Path, part: str, length: int, device: str = "cpu") -> Encoder:
    """A text encoder from a model's folder in diffusers layout, in float32.

    Raises:
        BadInput: the folder has none of this name.
        Damaged: it does not load.
    """
    names = folder / part.replace("text_encoder", "tokenizer")
    for place in (folder / part / "config.json", names):
        if not place.exists():
            raise BadInput(f"{place} is missing: name a model's folder in diffusers layout")
    try:
        config: Any = transformers.AutoConfig.from_pretrained(folder / part)
        [kind] = config.architectures
        with _quiet():
            net = getattr(transformers, kind).from_pretrained(
                folder / part, dtype=torch.float32, use_safetensors=True, local_files_only=True
            )
        tokenizer = transformers.AutoTokenizer.from_pretrained(names, local_files_only=True)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise Damaged(f"the text encoder in {folder / part} does not load: {error}") from error
    return Encoder(net.to(device).eval().requires_grad_(False), tokenizer, length, part)


@contextmanager
def _quiet() -> Iterator[None]:
    """Loading without the library's progress bar."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
