"""Tiny text encoders, and tokenizers made on the spot: one token a letter or mark."""

# transformers gives the ids of special tokens many types:
# pyright: reportArgumentType=false
from __future__ import annotations

from typing import Any

from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.'-"


def tokenizer() -> CLIPTokenizer:
    """CLIP's: letters apart from those that end a word; anything else is unknown. Ids of start and end as in
    CLIP: the last two."""
    tokens = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: k for k, token in enumerate(tokens)}, merges=[], model_max_length=77)


def clip(names: CLIPTokenizer, projection: bool = False) -> Any:
    """Width 32; with `projection` it also gives a projected pooled text [b, 32]."""
    config = CLIPTextConfig(
        vocab_size=len(names),
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        projection_dim=32,
        max_position_embeddings=77,
        bos_token_id=names.bos_token_id,
        eos_token_id=names.eos_token_id,
        pad_token_id=names.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config).eval()


def t5_tokenizer() -> T5Tokenizer:
    """T5's: each word's blank and letters. Ids of padding, end and unknown as T5's."""
    pieces = ["<pad>", "</s>", "<unk>", "▁", *LETTERS]
    vocab: Any = [(piece, -2.0) for piece in pieces]
    return T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=512)


def t5(names: T5Tokenizer, width: int) -> T5EncoderModel:
    config = T5Config(
        vocab_size=len(names),
        d_model=width,
        d_kv=8,
        d_ff=37,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
    )
    return T5EncoderModel(config).eval()
