"""GuardT2I's objective: captions by heart, the same bits after a stop, and what cannot be trained on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from safelight.core.errors import BadInput, Refused, UnknownName
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.training.fit import Plan, fit
from safelight.training.guardt2i import SKIPPED, GuardT2I

SIZES = {"hidden": 32, "layers": 1, "heads": 2, "batch_size": 3, "target_fpr": 0.5}


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "captions.txt").write_text("a cat\n\n  two red dogs \nsea\n")
    (tmp_path / "normal.txt").write_text("a dog\nblue\n")
    return str(tmp_path / "captions.txt"), str(tmp_path / "normal.txt")


def of(texts, family="sd", **settings):
    return GuardT2I(backbone(tiny.FAMILIES[family]()), *texts, **SIZES | settings)


def test_each_token_is_to_be_said_after_those_before_it(texts):
    batch = of(texts).batch(0, torch.Generator().manual_seed(0))
    names: Any = tiny.tokenizer()
    for given, follows in zip(batch.given.tolist(), batch.follows.tolist(), strict=True):
        said = [token for token in follows if token != SKIPPED]
        assert given[0] == names.bos_token_id
        assert given[1 : len(said)] == said[:-1]
        assert said[-1] == names.eos_token_id
        assert names.decode(said, skip_special_tokens=True).strip() in ("a cat", "two red dogs", "sea")


def test_t5_begins_with_its_padding(texts):
    objective = of(texts, "flux", encoder="text_encoder_2", conditioning="sequence")
    batch = objective.batch(0, torch.Generator().manual_seed(0))
    names = objective.model.texts["text_encoder_2"].tokenizer
    assert set(batch.given[:, 0].tolist()) == {names.pad_token_id}
    said = [token for token in batch.follows[0].tolist() if token != SKIPPED]
    assert batch.given[0, 1 : len(said)].tolist() == said[:-1]
    assert said[-1] == names.eos_token_id
    assert objective.loss(batch)["loss"].isfinite()


@pytest.mark.parametrize("conditioning", ["pooled_pad", "pooled_linear", "sequence"])
def test_the_loss_falls(texts, conditioning, tmp_path):
    rows = []
    fit(of(texts, conditioning=conditioning), Plan(steps=25, lr=1e-2), tmp_path / "run", rows.append)
    assert rows[-1].values["loss"] < 0.6 * rows[0].values["loss"]


def test_a_stopped_training_ends_in_the_same_bits(texts, tmp_path):
    plan, results = Plan(steps=6, lr=1e-3), []
    fit(of(texts, ema=0.5), plan, tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(row):
        if row.step == 3:
            raise Stop

    with pytest.raises(Stop):
        fit(of(texts, ema=0.5), plan, tmp_path / "parts", stop, every=0)
    for folder in ("whole", "parts"):
        objective = of(texts, ema=0.5)
        fit(objective, plan, tmp_path / folder)
        results.append(objective.result(plan))
    assert results[0].content == results[1].content
    assert results[0].manifest == results[1].manifest


def test_the_model_is_only_read(texts, tmp_path):
    pipe = tiny.sd()
    before = {name: value.clone() for name, value in pipe.text_encoder.state_dict().items()}
    with GuardT2I(backbone(pipe), *texts, **SIZES) as objective:
        fit(objective, Plan(steps=2, lr=1e-2), tmp_path / "run")
    assert all(torch.equal(value, before[name]) for name, value in pipe.text_encoder.state_dict().items())


def test_what_cannot_be_trained_on_is_named(texts, tmp_path, monkeypatch):
    empty = tmp_path / "empty.txt"
    empty.write_text("\n")
    with pytest.raises(BadInput, match=r"empty.txt holds no texts"):
        of((str(empty), texts[1]))
    with pytest.raises(BadInput, match="name a text file"):
        of((str(tmp_path / "none.txt"), texts[1]))
    with pytest.raises(BadInput, match="needs 20 normal prompts or more"):
        of(texts, target_fpr=0.05)
    with pytest.raises(UnknownName, match="encoder"):
        of(texts, encoder="text_encoder_2")
    monkeypatch.setattr("safelight.training.guardt2i.forbidden", lambda text: text == "sea")
    with pytest.raises(Refused, match="hard stop holds for text 3"):
        of(texts)
