"""A tiny text encoder with random weights and a decoder of its size."""

from __future__ import annotations

import pytest

from safelight.core.lists import WordList
from safelight.diffusion import tiny
from safelight.diffusion.backbones import backbone
from safelight.interpret.encoder import Encoder
from safelight.interpret.files import unpack
from safelight.interpret.guard import Guard
from safelight.training.fit import Plan, fit
from safelight.training.guardt2i import GuardT2I

CAPTIONS = ("a red cat", "two men", "the sea", "an old house", "nude", "blue")


@pytest.fixture(scope="session")
def pipe():
    return tiny.sd()


@pytest.fixture(scope="session")
def encoder(pipe):
    return Encoder(pipe.text_encoder, pipe.tokenizer, 77)


@pytest.fixture(scope="session")
def learned(pipe, tmp_path_factory):
    """An artifact of the tiny text encoder whose decoder has learnt six captions by heart."""
    folder = tmp_path_factory.mktemp("guardt2i")
    for name, lines in {"captions": CAPTIONS, "normal": CAPTIONS * 4}.items():
        (folder / f"{name}.txt").write_text("\n".join(lines))
    files = str(folder / "captions.txt"), str(folder / "normal.txt")
    sizes = {"hidden": 64, "layers": 2, "heads": 2, "batch_size": 6, "target_fpr": 0.25}
    plan = Plan(steps=150, lr=3e-3)
    with GuardT2I(backbone(pipe), *files, conditioning="pooled_linear", **sizes) as objective:
        fit(objective, plan, folder / "run")
        return objective.result(plan)


@pytest.fixture(scope="session")
def guard(learned, encoder):
    decoder, _ = unpack(learned, "learned")
    return Guard(encoder, decoder, words=(WordList("sexual", {"en": ("nude",)}),))
