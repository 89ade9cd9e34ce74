"""Windows hold all that a prompt says; the pooled state is CLIP's own; another encoder is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from safelight.core.errors import BadInput, Refused
from safelight.diffusion import tiny
from safelight.interpret.encoder import MINIATURE, Encoder, load
from safelight.store.artifacts import Manifest


def manifest(encoder):
    about = {"tokenizer": encoder.tokens}
    return Manifest.of(encoder.tensors, kind="module", family="sd", method="guardt2i", config=about)


def test_a_long_prompt_is_read_to_its_end_and_begins_as_the_model_reads_it(encoder, pipe):
    text = ", ".join(f"a cat number {k}" for k in range(20))
    windows = encoder.windows(["a dog", text, ""])
    assert windows.owners[0] == 0
    assert windows.owners[-1] == 2
    assert windows.lengths[-1] == encoder.special == 2
    own = [k for k, owner in enumerate(windows.owners) if owner == 1]
    assert len(own) > 1
    assert "".join("".join(windows.texts[k].split()) for k in own) == "".join(text.split())
    model = pipe.tokenizer(text, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    assert torch.equal(windows.ids[own[0]], model.input_ids[0])
    assert windows.first().texts == ("a dog", windows.texts[own[0]], "")


def test_the_pooled_state_is_the_one_of_the_model(encoder, pipe):
    texts = ["a dog", "two red cats on a mat"]
    ids = pipe.tokenizer(texts, padding="max_length", max_length=77, return_tensors="pt").input_ids
    with torch.no_grad():
        out = pipe.text_encoder(ids)
    windows = encoder.windows(texts)
    torch.testing.assert_close(encoder.states(windows, "pooled_pad")[:, 0], out.pooler_output)
    assert torch.equal(encoder.states(windows, "sequence"), out.last_hidden_state)


def test_t5_has_states_and_no_pooled_one():
    pipe = tiny.flux()
    t5 = Encoder(pipe.text_encoder_2, pipe.tokenizer_2, 32, "text_encoder_2")
    windows = t5.windows(["a dog"])
    assert t5.states(windows, "sequence").shape == (1, 32, 32)
    assert t5.start == pipe.tokenizer_2.pad_token_id
    with pytest.raises(BadInput, match="'t5' has no state for a whole text"):
        t5.states(windows, "pooled_linear")


def test_only_the_same_encoder_and_tokenizer_fit(encoder):
    known = manifest(encoder)
    encoder.demand(known, "file")
    other = tiny.sd(seed=1)
    with pytest.raises(
        Refused, match="decoder file cannot read this text encoder: it was made of other weights"
    ):
        Encoder(other.text_encoder, other.tokenizer, 77).demand(known, "file")
    with pytest.raises(Refused, match="another tokenizer"):
        replace(encoder, length=70).demand(known, "file")


def test_the_miniature_s_is_loaded_without_the_rest(tmp_path):
    own = load(MINIATURE, "text_encoder", 77)
    assert (own.width, own.net.dtype) == (128, torch.float32)
    assert own.decode(own.windows(["A photo of a cat"]).ids[0].tolist()) == "a photo of a cat"
    with pytest.raises(BadInput, match="name a model's folder in diffusers layout"):
        load(tmp_path, "text_encoder", 77)
    config = json.loads((MINIATURE / "text_encoder" / "config.json").read_text())
    assert config["hidden_size"] == own.width
