"""Stages run in order, stop at their gates, and are not run twice."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from safelight.core.errors import SafelightError, UnknownName
from safelight.diffusion.whole import verify
from safelight.miniature.build import card as cards
from safelight.miniature.build import stages
from safelight.miniature.build.stages import GateFailed, build
from safelight.miniature.weights import FOLDER


@pytest.fixture
def ran(monkeypatch):
    """Three stages that only say that they ran; `vae` measures what the list's first entry says."""
    calls, quality = [], [33.0]

    def stage(name):
        def run(self):
            calls.append(name)
            self.of(name).mkdir(parents=True, exist_ok=True)
            return {"psnr": quality[0]} if name == "vae" else {}

        return run

    for name in ("world", "vae", "latents"):
        monkeypatch.setattr(stages.Build, name, stage(name))
    monkeypatch.setattr(stages, "NEEDS", {"world": (), "vae": ("world",), "latents": ("vae",)})
    monkeypatch.setattr(stages, "THREADS", 1)
    return calls, quality


def test_all_stages_run_once_in_order(ran, tmp_path):
    calls, _ = ran
    build(tmp_path)
    build(tmp_path)
    assert calls == ["world", "vae", "latents"]
    assert json.loads((tmp_path / "vae" / "done.json").read_text())["psnr"] == 33.0


def test_a_failed_gate_stops_the_line_and_keeps_the_work(ran, tmp_path):
    calls, quality = ran
    quality[0] = 30.5
    with pytest.raises(GateFailed, match=r"vae: psnr is 30\.5, needs 31"):
        build(tmp_path)
    assert calls == ["world", "vae"]
    assert (tmp_path / "vae").is_dir()
    quality[0] = 32.5
    build(tmp_path)
    assert calls == ["world", "vae", "vae", "latents"]


def test_a_measure_that_is_not_a_number_fails_its_gate(ran, tmp_path):
    ran[1][0] = float("nan")
    with pytest.raises(GateFailed):
        build(tmp_path)


def test_a_stage_says_what_it_needs(ran, tmp_path):
    with pytest.raises(SafelightError, match="latents needs vae"):
        build(tmp_path, stage="latents")
    with pytest.raises(UnknownName, match="Did you mean 'vae'"):
        build(tmp_path, stage="vea")


def test_without_resume_a_stage_starts_afresh(ran, tmp_path):
    calls, _ = ran
    build(tmp_path)
    (tmp_path / "vae" / "checkpoint.safetensors").write_bytes(b"old")
    build(tmp_path, stage="vae", resume=False)
    assert calls[-1] == "vae"
    assert not (tmp_path / "vae" / "checkpoint.safetensors").exists()


def test_the_card_is_measured_on_what_was_exported_and_lies_beside_it(monkeypatch, tmp_path):
    """The real stage, on the weights that ship; only the drawing is cut short."""
    model = tmp_path / "export" / "miniature"
    shutil.copytree(FOLDER, model)
    (model / cards.FILE).unlink()
    sums = json.loads((model / "checksums.json").read_text())
    del sums[cards.FILE]
    (model / "checksums.json").write_text(json.dumps(sums))
    (tmp_path / "export" / "done.json").write_text("{}")
    asked = []

    def short(generator, **given):
        asked.append((generator.folder, generator.sampling.dtype, given["processes"]))
        generator.sampling = replace(generator.sampling, steps=1)
        return cards.Card({"name": "m", "sha256": "0" * 64}, generator.sampling, 0, [], [])

    monkeypatch.setattr(stages.cards, "card", short)
    with pytest.raises(GateFailed, match="body is nan, needs") as failed:
        build(tmp_path, stage="card")
    assert asked == [(model, "bfloat16", stages.cores())]
    assert str(tmp_path / "unet" / "done.json") in str(failed.value)  # what to do about it
    assert (model / cards.FILE).is_file()
    verify(model)
    assert not (tmp_path / "card" / "done.json").exists()
    monkeypatch.setattr(stages.card_gate, "measures", lambda card: passing())
    build(tmp_path, stage="card")
    assert json.loads((tmp_path / "card" / "done.json").read_text())["name"] == 0.95


def passing() -> dict[str, float]:
    return stages.CEILINGS["card"] | stages.GATES["card"]
