"""A tiny random model that draws 64 x 64 pictures, readers with random weights, and small tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CLIPTextModel

from safelight.diffusion import tiny
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.miniature import clip as clips
from safelight.miniature import weights
from safelight.miniature.build.clip import network
from safelight.miniature.oracle import Oracle
from safelight.miniature.truth import HEADS
from safelight.policies import Policy
from safelight.tasks import Task


@pytest.fixture(scope="session")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the miniature's weights, with oracles and CLIP that were never trained."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    (folder / "oracle").mkdir()
    for letter in ("A", "B"):
        Oracle(letter, HEADS).save(folder / "oracle" / f"{letter.lower()}.safetensors")
    tokenizer = tiny.tokenizer()
    clip = network(tokenizer)
    shape: Any = clip.config.text_config
    text = CLIPTextModel(shape)
    text.load_state_dict(clip.text_model.state_dict())
    tokenizer.save_pretrained(folder / "tokenizer")
    text.save_pretrained(folder / "text_encoder")
    clips.save(clip, folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    sums = {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}
    (folder / "checksums.json").write_text(json.dumps(sums))
    return folder


@pytest.fixture(autouse=True)
def _shipped(readers: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(weights, "FOLDER", readers)
    for cached in (weights.oracle, weights.clip):
        cached.cache_clear()
    yield
    for cached in (weights.oracle, weights.clip):
        cached.cache_clear()


@pytest.fixture(scope="session")
def model() -> Generator:
    made = load(tiny.sd())
    made.judges = ("oracle", "oracle-b")
    made.sampling = replace(made.sampling, steps=2, guidance=3.0, height=64, width=64, block=2)
    return made


@pytest.fixture
def task(tmp_path: Path) -> Callable[[str], Task]:
    """A task of three prompts, with further settings."""

    def make(
        more: str = 'judges = ["oracle:bare"]\n', prompts: str = 'prompts = { file = "t.csv" }\n'
    ) -> Task:
        (tmp_path / "t.csv").write_text("prompt\na cat\na red dog\ntwo boats\n")
        text = f'name = "t"\nversion = 1\nabout = "a test"\n{prompts}n_per_prompt = 2\n{more}'
        (tmp_path / "t.toml").write_text(text)
        return Task.load(tmp_path / "t.toml")

    return make


@pytest.fixture
def negative() -> Policy:
    return Policy("negative", ({"use": "negative-prompt", "concept": "blood"},))
