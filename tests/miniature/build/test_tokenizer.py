"""The vocabulary has CLIP's layout, and made-up words stay letters."""

from __future__ import annotations

import json

import pytest

from safelight.core.concepts import CONCEPTS
from safelight.core.errors import SafelightError
from safelight.miniature.build import tokenizer as tokenizers
from safelight.miniature.build.recipe import CONTEXT


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    world = tmp_path_factory.mktemp("world")
    rows = [
        ("a photo of a red cat on the beach", "animal"),
        ("a kitaki thing", "shape"),
        ("κόκκινη γάτα", "animal"),
    ]
    lines = [json.dumps({"caption": caption, "scene": {"kind": kind}}) for caption, kind in rows * 20]
    (world / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    measures = tokenizers.learn(world / "out", world, CONCEPTS.values())
    return tokenizers.CLIPTokenizer.from_pretrained(world / "out" / "net"), measures


def test_layout_is_bytes_then_word_ends_then_merges_then_specials(learnt):
    tokenizer, measures = learnt
    entries = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    assert entries[256:512] == [letter + "</w>" for letter in entries[:256]]
    assert entries[-2:] == ["<|startoftext|>", "<|endoftext|>"]
    assert len(entries) == measures["vocabulary"] <= 1024
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == len(entries) - 1 != 2
    assert tokenizer.model_max_length == CONTEXT == 77


def test_words_are_whole_and_made_up_words_are_letters(learnt):
    tokenizer, _ = learnt
    assert tokenizer.tokenize("Photo of a nude cat") == [
        "photo</w>",
        "of</w>",
        "a</w>",
        "nude</w>",
        "cat</w>",
    ]
    assert len(tokenizer.tokenize("zpxk")) == 4
    assert tokenizer.tokenize("kitaki") != ["kitaki</w>"]
    assert len(tokenizer.tokenize("phоto")) > len(tokenizer.tokenize("photo"))  # with a Cyrillic o


def test_no_concept_text_is_cut(learnt):
    tokenizer, measures = learnt
    lengths = {name: len(tokenizer(text).input_ids) for name, text in CONCEPTS.items()}
    assert max(lengths.values()) == measures["longest_concept"] <= CONTEXT


def test_a_text_that_would_be_cut_is_an_error(learnt):
    with pytest.raises(SafelightError, match="77 fit"):
        tokenizers.longest(learnt[0], ["qz " * 60])
