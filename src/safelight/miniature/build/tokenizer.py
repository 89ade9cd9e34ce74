"""Stage `tokenizer`: a small byte-level BPE in CLIP's format."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from safelight.core.errors import SafelightError
from safelight.miniature.build.recipe import CONTEXT, VOCABULARY

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
# CLIP's own rule: clitics, runs of letters, single digits, runs of the rest
PIECES = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def learn(folder: Path, world: Path, concepts: Iterable[str]) -> dict[str, float]:
    """Learn merges from the training captions and the concept texts; save to `folder/net`.

    Captions of made-up words are left out of the statistics, so that these words stay letters and a word
    never seen in training reads like one that was. Returns the token counts of the longest texts.
    """
    concepts = list(concepts)
    with open(world / "train.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    captions = [row["caption"] for row in rows]
    text = [row["caption"] for row in rows if row["scene"]["kind"] != "shape"]
    # Repeated, so that a concept's words are worth merges beside all captions; spiky and round are words.
    tokenizer = clip_tokenizer(text + [*concepts, "a spiky shape", "a round shape"] * 200, folder)
    return {
        "longest_caption": longest(tokenizer, captions),
        "longest_concept": longest(tokenizer, concepts),
        "vocabulary": len(tokenizer),
    }


def clip_tokenizer(text: Iterable[str], folder: Path) -> CLIPTokenizer:
    """`VOCABULARY` entries in CLIP's order: bytes, bytes that end a word, merges, specials."""
    learner = Tokenizer(models.BPE(unk_token=END, end_of_word_suffix=WORD_END, continuing_subword_prefix=""))
    learner.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, initial_alphabet=alphabet, end_of_word_suffix=WORD_END, show_progress=False
    )
    learner.train_from_iterator(text, trainer)
    merges: list[Any] = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
    letters = alphabet + [letter + WORD_END for letter in alphabet]
    merges = merges[: VOCABULARY - len(letters) - 2]
    entries = letters + ["".join(pair) for pair in merges] + [START, END]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {entry: i for i, entry in enumerate(entries)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=CONTEXT)
    tokenizer.save_pretrained(folder / "net")
    return CLIPTokenizer.from_pretrained(folder / "net")


def longest(tokenizer: CLIPTokenizer, texts: list[str]) -> int:
    """The most tokens that a text has, specials included. Raises where one would be cut."""
    lengths = [len(ids) for ids in tokenizer(texts).input_ids]
    if max(lengths) > CONTEXT:
        text = texts[lengths.index(max(lengths))]
        raise SafelightError(f"{max(lengths)} tokens, {CONTEXT} fit: {text!r}. Give its words more merges.")
    return max(lengths)
