"""The method: blocks what it cannot read, refuses other text encoders, and keeps words out of the record."""

from __future__ import annotations

import numpy as np
import pytest

from safelight.core.concepts import LISTS
from safelight.core.errors import BadInput, Refused
from safelight.core.nouns import Outcome, Prompt
from safelight.diffusion.load import load
from safelight.guarded.decide import on_prompt
from safelight.guarded.request import generate
from safelight.interpret.encoder import Encoder
from safelight.methods.prompt.guardt2i import GuardT2I
from safelight.policies import Bound, Policy
from safelight.store import Store

HARMLESS = "a photo of a red cat on the beach"


@pytest.fixture(scope="module")
def method():
    return GuardT2I()


def bound(method):
    return Bound(Policy("one"), (method,), ())


def test_a_harmless_prompt_passes_unchanged_with_what_it_was_read_as(method):
    prompt, [decision] = method.prompt(Prompt(HARMLESS))
    assert prompt == Prompt(HARMLESS)
    assert decision.outcome is Outcome.ALLOW
    assert "cat" in str(decision.evidence["interpretation"])
    assert decision.score is not None
    assert decision.threshold is not None
    assert decision.score >= decision.threshold


def test_a_listed_word_blocks_whatever_the_similarity(method):
    _, [decision] = method.prompt(Prompt(LISTS["bare"]))
    assert (decision.outcome, decision.category) == (Outcome.BLOCK, "sexual")
    assert "list sexual" in decision.reason


def test_words_without_meaning_together_are_blocked(method):
    _, [decision] = method.prompt(Prompt("blue under the nurse four venn skinned plain near dunes"))
    assert decision.outcome is Outcome.BLOCK
    assert "does not mean what it says" in decision.reason


def test_without_a_word_list_it_says_so():
    with pytest.warns(UserWarning, match="no word list: its similarity alone decides"):
        GuardT2I(lists=())


def test_an_empty_text_passes_and_says_so(method):
    _, [decision] = method.prompt(Prompt(" "))
    assert (decision.outcome, decision.reason) == (Outcome.ALLOW, "the image model reads nothing")


def test_what_breaks_blocks(method, monkeypatch):
    monkeypatch.setattr(Encoder, "states", lambda self, w, c: self.net.dtype)
    _, decisions = on_prompt(Prompt(HARMLESS), bound(method))
    assert [(d.outcome, d.status) for d in decisions][-1] == (Outcome.BLOCK, "failed")


def test_another_text_encoder_is_refused_before_anything_is_drawn(method, generator):
    with pytest.raises(Refused, match="cannot read this text encoder: it needs text_encoder"):
        generator.run(["a cat"], [0], [method])
    with method.edit(load("miniature").backbone):
        pass


def test_another_threshold_and_sentence_encoder():
    def letters(texts):
        return np.array([[text.count(c) + 0.1 for c in "abcdefghijklmnopqrstuvwxyz"] for text in texts])

    with pytest.raises(BadInput, match="not for this sentence encoder"):
        GuardT2I(sentences=letters)
    with pytest.raises(BadInput, match="threshold must be"):
        GuardT2I(threshold=2.0)
    strict = GuardT2I(sentences=letters, threshold=1.0)
    _, [decision] = strict.prompt(Prompt("a lady with an apple near a boat at midnight"))
    assert decision.threshold == 1.0


def test_files_that_are_no_decoder_are_named(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        GuardT2I(file=str(tmp_path / "none.safetensors"))
    with pytest.raises(BadInput, match="name a model's folder"):
        GuardT2I(model=str(tmp_path))


@pytest.mark.parametrize("keep", [False, True])
def test_the_record_holds_words_only_where_the_policy_keeps_prompts(keep, tmp_path):
    policy = Policy("one", ({"use": "guardt2i"},), keep_prompts=keep)
    with Store.open(tmp_path / "runs.db") as store:
        [made] = generate(HARMLESS, "miniature", policy, steps=1, store=store).pictures
        [run] = store.runs()
        rows = [d for d in store.decisions(run.id) if d.method == "guardt2i"]
    assert [("interpretation" in row.evidence) for row in rows] == [keep]
    assert any("interpretation" in d.evidence for d in made.decisions)
