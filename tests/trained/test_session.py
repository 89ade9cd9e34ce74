"""A training by name: interrupted anywhere it ends in the same file, with each step once on record."""

from __future__ import annotations

import re
import time
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import safelight
from safelight.core.errors import BadInput, Refused
from safelight.core.hard_stop import tables
from safelight.diffusion import patch, tiny
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.diffusion.sampling import Sampling
from safelight.methods.embedding.uce_map import UCEMap
from safelight.methods.weights.weights import Weights
from safelight.miniature.vocabulary import vocabulary
from safelight.store import Store, artifacts
from safelight.training import fit as fitting
from safelight.training import sdd
from safelight.training.fit import Diverged


def fast(**changes: Any) -> dict[str, Any]:
    """A training of seconds."""
    return {"concept": "blood", "steps": 4, "lr": 1e-3, "solver_steps": 4} | changes


@pytest.fixture(scope="module")
def model():
    generator = load(tiny.sd())
    generator.sampling = Sampling(steps=2, height=16, width=16, block=2)
    return generator


def bits(model):
    return {name: value.detach().clone() for name, value in patch.tensors(model.backbone).items()}


def steps(path):
    with Store.open(path.with_suffix(".run") / "runs.db") as store:
        [run] = store.runs()
        return run.status, [(row.step, row.scalars["loss"]) for row in store.steps(run.id)]


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    """The undisturbed training without pictures, and its rows."""
    path = tmp_path_factory.mktemp("whole") / "sdd.safetensors"
    before = bits(model)
    made = safelight.train("sdd", model, path, **fast())
    assert all(torch.equal(value, before[name]) for name, value in bits(model).items())
    return made, steps(path)


def test_the_file_is_an_artifact_of_its_run(model, whole):
    made, (status, rows) = whole
    artifact = artifacts.load(made.path)
    assert (artifact.content, len(artifact.tensors)) == (made.content, made.tensors)
    assert (artifact.manifest.method, artifact.manifest.run) == ("sdd", made.run)
    assert artifact.manifest.config["plan"] == {
        "steps": 4, "lr": 1e-3, "seed": 0,
        "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 1e-4, "clip": 1.0,
        "precision": "float32",
    }  # fmt: skip
    assert (status, [step for step, _ in rows]) == ("done", [1, 2, 3, 4])
    [plain], [erased] = (model.run(["blood"], [1], methods) for methods in ((), [Weights(str(made.path))]))
    assert not torch.equal(plain.latent, erased.latent)


@pytest.mark.parametrize("tick", [0.0, 100.0], ids=["no checkpoint", "one at each step"])
@pytest.mark.parametrize("stop", [0, 2, 3])
def test_interrupted_it_goes_on_to_the_same_file_with_each_step_once(
    model, whole, tmp_path, monkeypatch, stop, tick
):
    path, loss = tmp_path / "sdd.safetensors", sdd.SDD.loss
    before, made = bits(model), []

    def interrupted(self, batch):
        if len(made) == stop:
            raise KeyboardInterrupt
        made.append(batch)
        return loss(self, batch)

    monkeypatch.setattr(sdd.SDD, "loss", interrupted)
    clock = SimpleNamespace(monotonic=count(0.0, tick).__next__, perf_counter=time.perf_counter)
    monkeypatch.setattr(fitting, "time", clock)
    with pytest.raises(KeyboardInterrupt):
        safelight.train("sdd", model, path, **fast())
    monkeypatch.undo()
    assert steps(path) == ("interrupted", whole[1][1][:stop])
    assert not path.exists()
    assert all(torch.equal(value, before[name]) for name, value in bits(model).items())
    again = safelight.train("sdd", model, path, **fast())
    assert again.content == whole[0].content
    assert artifacts.load(path).manifest == artifacts.load(whole[0].path).manifest
    assert steps(path) == whole[1]


def test_pictures_on_the_way_change_nothing_and_stand_on_one_page(model, whole, tmp_path):
    path = tmp_path / "sdd.safetensors"
    made = safelight.train("sdd", model, path, samples=["blood", "a <b>cat</b>"], every=2, **fast())
    assert made.content == whole[0].content
    with Store.open(path.with_suffix(".run") / "runs.db") as store:
        samples = store.samples(made.run)
        assert sorted({(s.row, s.block) for s in samples}) == [(0, 0), (0, 2), (0, 4), (1, 0), (1, 2), (1, 4)]
        seen = {(s.row, s.block, s.k): s.image_hash for s in samples}
        seeds = {(s.k, s.seed) for s in samples}
    assert len(seeds) == 4  # the same noise at every moment
    assert seen[0, 0, 0] != seen[0, 4, 0]
    [plain] = model.run(["blood"], [next(seed for k, seed in seeds if k == 1)])
    with Store.open(path.with_suffix(".run") / "runs.db") as store:
        assert (store.images.get(str(seen[0, 0, 1])) == plain.image).all()
    text = made.page.read_text()
    text, pictures = re.subn(r'src="data:image/png;base64,[^"]*"', "", text)
    assert pictures == 24
    assert re.findall(r"https?:|//[a-z]|src=|<script|<link|@import|url\(", text) == []
    for words in ("before", "step 2", "after", "a &lt;b&gt;cat&lt;/b&gt;", model.content_hash, made.content):
        assert words in text
    assert "--set concept=blood --set steps=4" in text
    assert "<polyline" in text


def test_another_training_does_not_go_on_from_this_one(model, whole):
    before = whole[0].page.read_bytes()
    with pytest.raises(BadInput, match=r"plan\.lr is 0\.001 there and 0\.01 here.*take another --out"):
        safelight.train("sdd", model, whole[0].path, **fast(lr=1e-2))
    assert whole[0].page.read_bytes() == before
    assert safelight.train("sdd", model, whole[0].path, **fast()) == whole[0]  # the same one is done already


def test_a_loss_that_is_not_finite_keeps_the_last_good_weights(model, tmp_path, monkeypatch):
    path, loss, made = tmp_path / "sdd.safetensors", sdd.SDD.loss, []

    def poisoned(self, batch):
        made.append(batch)
        return {"loss": loss(self, batch)["loss"] * (float("nan") if len(made) == 3 else 1)}

    monkeypatch.setattr(sdd.SDD, "loss", poisoned)
    with pytest.raises(Diverged, match=r"step 2 is not finite.*weights of step 2 are in .*last-good"):
        safelight.train("sdd", model, path, **fast())
    monkeypatch.undo()
    assert not path.exists()
    assert steps(path)[0] == "failed"
    kept = artifacts.load(tmp_path / "sdd.run" / "last-good.safetensors")
    short = safelight.train("sdd", model, tmp_path / "short.safetensors", **fast(steps=2))
    assert kept.content == short.content
    assert kept.manifest.config["plan"]["steps"] == 2


def test_anchors_are_drawn_once_even_where_the_drawing_was_stopped(model, tmp_path, monkeypatch):
    (tmp_path / "anchors.txt").write_text("a boat\na harbour\nrain\n")
    settings: dict[str, Any] = {
        "concept": "oil",
        "anchors": str(tmp_path / "anchors.txt"),
        "pictures": 5,
        "steps": 2,
    }
    path, run, blocks = tmp_path / "ca.safetensors", Generator.run, []

    def counted(self, prompts, *rest):
        if len(blocks) == 2:
            raise KeyboardInterrupt
        blocks.append(list(prompts))
        return run(self, prompts, *rest)

    monkeypatch.setattr(Generator, "run", counted)
    with pytest.raises(KeyboardInterrupt):
        safelight.train("ca", model, path, **settings)
    assert blocks == [["a boat", "a harbour"], ["rain", "a boat"]]
    blocks[:] = [[]]
    made = safelight.train("ca", model, path, **settings)
    assert blocks == [[], ["a harbour"]]
    monkeypatch.setattr(Generator, "run", lambda *_: pytest.fail("drawn again"))
    assert safelight.train("ca", model, path, **settings) == made
    settings["anchors"] = ("a boat", "a town")
    with pytest.raises(BadInput, match=r"anchors-0000\.safetensors is of other anchors"):
        safelight.train("ca", model, path, **settings)


@pytest.mark.parametrize("kind", ["weights", "map"])
def test_uce_is_a_training_without_steps(model, tmp_path, kind):
    path = tmp_path / "uce.safetensors"
    made = safelight.train("uce", model, path, samples=["nudity"], edit_concepts=("nudity",), kind=kind)
    method = UCEMap(str(path)) if kind == "map" else Weights(str(path))
    assert artifacts.load(path).manifest.kind == ("map" if kind == "map" else "full")
    with Store.open(path.with_suffix(".run") / "runs.db") as store:
        samples = store.samples(made.run)
        [one] = [s for s in samples if (s.block, s.k) == (1, 0)]
        [edited] = model.run(["nudity"], [one.seed], [method])
        assert (store.images.get(str(one.image_hash)) == edited.image).all()
        assert [(a.id, a.run) for a in store.artifacts()] == [(made.content[:32], made.run)]


def test_uce_preserves_a_named_list_or_the_lines_of_a_file_beside_its_own(model, tmp_path):
    (tmp_path / "kept.txt").write_text("a boat\nrain\n")
    named = {"miniature": vocabulary(), str(tmp_path / "kept.txt"): ("a boat", "rain")}
    for k, (preserve, texts) in enumerate(named.items()):
        settings = {"edit_concepts": ("nudity",), "preserve_concepts": ("snow",), "preserve": preserve}
        made = safelight.train("uce", model, tmp_path / f"{k}.safetensors", **settings)
        assert artifacts.load(made.path).manifest.config["preserve_concepts"] == ["snow", *texts]


DEBIAS: dict[str, Any] = {
    "concepts": ("nurse",),
    "attributes": ("man", "woman"),
    "labels": ("presentation:masculine", "presentation:feminine"),
    "judge": "oracle",
}


def test_a_debiasing_is_counted_edited_and_counted_again(tmp_path):
    few, told = {"pictures": 2, "max_rounds": 1, "steps": 2, "ratios": (0.75, 0.25)}, []
    made = safelight.train(
        "uce-debias",
        "miniature",
        tmp_path / "x.safetensors",
        progress=lambda *row: told.append(row),
        **DEBIAS,
        **few,
    )
    manifest = artifacts.load(made.path).manifest
    assert (manifest.method, manifest.kind, manifest.config["rounds"]) == ("uce-debias", "full", 1)
    assert [row[:3] for row in told] == [("uce-debias", 0, 1), ("uce-debias", 1, 1)]
    assert made.rows == 2 * 2 * 2 * 2  # counts, pictures, solver steps, texts of guidance
    with Store.open(made.path.with_suffix(".run") / "runs.db") as store:
        assert [(a.id, a.run) for a in store.artifacts()] == [(made.content[:32], made.run)]


FORBIDDEN = f"{tables()['minor'][0]} {tables()['sexual'][0]}"


@pytest.mark.parametrize(
    ("method", "settings", "error", "said"),
    [
        ("sdd", {"concept": ""}, BadInput, "concept must not be empty"),
        ("sdd", fast(group="xatn"), BadInput, "Did you mean 'xattn'"),
        ("sdd", fast(samples=[FORBIDDEN]), Refused, "hard stop"),
        ("sdd", fast(samples="a cat"), BadInput, "samples must be several prompts"),
        ("sdd", fast(every=0), BadInput, "every must be a whole number"),
        ("ca", {"concept": "oil", "anchors": (FORBIDDEN,)}, Refused, "hard stop"),
        ("ca", {"concept": "oil", "anchors": "nowhere.txt"}, BadInput, "nowhere.txt cannot be read"),
        ("ca", {"concept": "oil", "anchors": "innocnt"}, BadInput, "Did you mean 'innocent'"),
        ("ca", {"concept": "A+T", "concept_type": "object", "anchors": ("a cat",)}, BadInput, "the word 'A'"),
        ("uce", {"edit_concepts": ("a", "a")}, BadInput, "holds a text twice"),
        ("uce", {"edit_concepts": ("a",), "preserve": "minature"}, BadInput, "'miniature' or a .txt file"),
        ("uce", {"edit_concepts": ("a",), "preserve": "nowhere.txt"}, BadInput, "nowhere.txt cannot be read"),
        ("uce-debias", DEBIAS, BadInput, "'oracle' was not made for its pictures"),
        ("uce-debias", DEBIAS | {"judge": "nobody"}, BadInput, "nobody"),
        ("uce-debias", DEBIAS | {"concepts": (FORBIDDEN,)}, Refused, "hard stop"),
        ("uce-debias", DEBIAS | {"recipe": "2023", "kind": "map"}, BadInput, "it is no map"),
        (
            "uce",
            {"edit_concepts": ("a cat",), "preserve": "miniature"},
            BadInput,
            "to be edited and preserved",
        ),
    ],
)
def test_bad_input_leaves_nothing_behind(model, tmp_path, method, settings, error, said):
    with pytest.raises(error, match=said) as refused:
        safelight.train(method, model, tmp_path / "x.safetensors", **settings)
    assert FORBIDDEN not in str(refused.value)
    assert list(tmp_path.iterdir()) == []
    assert not any(p.requires_grad for p in model.backbone.net.parameters()) or all(
        p.requires_grad for p in model.backbone.net.parameters()
    )


def test_a_family_that_cannot_take_part_is_refused_before_a_picture(tmp_path):
    trainings: dict[str, dict[str, Any]] = {"sdd": {"concept": "blood"}, "uce": {"edit_concepts": ("blood",)}}
    for method, settings in trainings.items():
        with pytest.raises(Refused, match="sd3"):
            safelight.train(method, tiny.sd3(), tmp_path / "x.safetensors", samples=["a cat"], **settings)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(model, tmp_path):
    (tmp_path / "file").write_text("keep me")
    for name, said in (("file/x.safetensors", "cannot write"), ("x.pt", "must be a .safetensors file")):
        with pytest.raises(BadInput, match=said):
            safelight.train("sdd", model, tmp_path / name, **fast())
