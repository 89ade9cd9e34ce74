"""One text encoder with its tokenizer: texts to hidden states, and the words that are cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class TextEncoder:
    """CLIP or T5. Texts are padded and cut to `length` tokens, start and end included."""

    net: Any
    tokenizer: Any
    length: int

    @torch.no_grad()
    def __call__(self, texts: Sequence[str], device: torch.device, **options: Any) -> Any:
        """What the network returns for the texts; `device` is where it works."""
        tokens = self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self.length, return_tensors="pt"
        )
        if getattr(self.net.config, "use_attention_mask", False):
            options["attention_mask"] = tokens.attention_mask.to(device)
        return self.net(tokens.input_ids.to(device), **options)

    def lost(self, text: str) -> str:
        """The end of `text` that does not fit."""
        room = self.length - self.tokenizer.num_special_tokens_to_add()
        marks = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        spans = marks.offset_mapping
        return text[spans[room][0] :] if len(spans) > room else ""

    def last(self, text: str) -> int:
        """The place of the last token before the end token (CLIP; T5 has no start token)."""
        ids = self.tokenizer(text, truncation=True, max_length=self.length).input_ids
        return max(len(ids) - 2, 0)
