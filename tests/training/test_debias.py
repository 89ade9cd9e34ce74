"""The debiasing loop against both programs written out in float64, and its book-keeping of counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from safelight.core.errors import BadInput, Refused, UnknownName
from safelight.core.hard_stop import tables
from safelight.core.nouns import Score
from safelight.core.ports import Preset, Reads
from safelight.diffusion import tiny
from safelight.diffusion.load import load
from safelight.training.debias import Debias
from safelight.training.debias_edit import Accumulated, Stepwise

HOW: dict[str, Any] = {
    "concepts": ("doctor", "a nurse"),
    "attributes": ("man", "old woman"),
    "labels": ("m", "w"),
    "judge": "counted",
    "preserve_concepts": ("a cat", "house"),
}
LACKING = torch.tensor([[0.5, -0.5], [-0.3, 0.3]], dtype=torch.float64)


def matrices(unet):
    keys = ("attn2.to_k.weight", "attn2.to_v.weight")
    return {f"unet.{name}": W.detach() for name, W in unet.named_parameters() if name.endswith(keys)}


def solve(W, edits, preserved, s_p):
    """mat1 @ inverse(mat2), as both programs have it: lambda 0.5, edits of scale 1."""
    mat1, mat2 = 0.5 * W, 0.5 * torch.eye(W.shape[1], dtype=W.dtype)
    for c, v in edits:
        mat1, mat2 = mat1 + v.T @ c, mat2 + c.T @ c
    for c in preserved:
        mat1, mat2 = mat1 + s_p * (W @ c.T) @ c, mat2 + s_p * c.T @ c
    return mat1 @ torch.linalg.inv(mat2)


def test_2025_is_the_program(pipe, model, reference):
    def state(text):
        return reference.encode(text)[:, len(pipe.tokenizer(text).input_ids) - 2]

    how = Debias(**HOW)
    loop = Accumulated(how, model)
    for original in matrices(pipe.unet).values():
        assert original.dtype == torch.float64
    v = {(name, text): state(text) @ W.T for name, W in matrices(pipe.unet).items() for text in how.concepts}
    for after in (1, 2, 3):
        lacking = LACKING / after
        edited = loop.edit(lacking)
        for name, W in matrices(pipe.unet).items():
            for text, row in zip(how.concepts, lacking, strict=True):
                for word, ratio in zip(how.attributes, row, strict=True):
                    v[name, text] += ratio * (state(word) @ W.T)
            edits = [(state(text), v[name, text]) for text in how.concepts]
            expected = solve(W, edits, [state(text) for text in how.preserve_concepts], 1.0)
            assert (edited[name] - expected).abs().max() <= 1e-10
            assert (W @ loop.map - expected).abs().max() <= 1e-10  # the one-map form
            assert (expected - W).abs().max() > 1e-3


def test_2023_is_the_program(pipe, model, reference):
    def end(text):
        return len(pipe.tokenizer(text).input_ids) - 2

    how = Debias(**HOW, recipe="2023")
    loop, kept = Stepwise(how, model), set(how.preserve_concepts)
    assert [text for text, _ in how.texts][:5] == [
        "image of doctor", "photo of doctor", "portrait of doctor", "picture of doctor", "doctor"
    ]  # fmt: skip
    weights = matrices(pipe.unet)
    for after in (1, 2, 3):
        lacking = LACKING.repeat_interleave(5, 0) / after
        lacking[after] = 0  # another text is done in each round
        edited = loop.edit(lacking)
        kept |= {text for (text, _), row in zip(how.texts, lacking, strict=True) if not row.any()}
        for name, W in weights.items():
            edits = []
            for (text, others), row in zip(how.texts, lacking, strict=True):
                farthest = max(end(text), *map(end, others))
                c = reference.encode(text)[0, end(text) : 77 - (farthest - end(text))]
                target = c @ W.T
                for other, ratio in zip(others, row, strict=True):
                    u = reference.encode(other)[0, end(other) : 77 - (farthest - end(other))] @ W.T
                    target += 0.1 * ratio * target.norm() * (u / u.norm())
                edits.append((c, target))
            expected = solve(W, edits, [reference.encode(text)[0] for text in kept], 0.1)
            assert (edited[name] - expected).abs().max() <= 1e-10
            assert (expected - W).abs().max() > 1e-3
        weights = dict(edited)


class Counted:
    """A judge that sees "m" in as many pictures of each call as it was told."""

    name, version, labels, range, content_hash = "counted", "1", ("m", "w"), (0.0, 1.0), ""
    reads: Reads = "image"
    presets: Mapping[str, Preset] = {"default": Preset(("m",), 0.5)}

    def __init__(self, *seen):
        self.seen, self.calls = list(seen), []

    def __call__(self, items):
        self.calls.append([item.tobytes() for item in items])
        m = self.seen.pop(0)
        if m is None:
            return [Score(None, "failed", "it is dark") for _ in items]
        return [Score({"m": float(i < m), "w": 0.5}) for i in range(len(items))]


FAST: dict[str, Any] = HOW | {"pictures": 4, "steps": 1}


def run(generator, how, *seen):
    judge, rows = Counted(*seen), []
    made = how.run(generator, {"counted": judge}, rows.append)
    assert judge.seen == []
    return made, rows, judge.calls


def test_2025_looks_at_every_text_in_every_round(generator):
    how = Debias(**FAST, ratios=(0.25, 0.75))
    before = {name: W.clone() for name, W in matrices(generator.backbone.net).items()}
    made, rows, calls = run(generator, how, 4, 1, 2, 0, 1, 1)
    assert [(row.round, row.of, row.gap) for row in rows] == [(0, 30, 0.75), (1, 30, 0.25), (2, 30, 0.0)]
    assert rows[1].shares == {"doctor": {"man": 0.5, "old woman": 0.5}, "a nurse": {"man": 0, "old woman": 1}}
    loop = Accumulated(how, generator.backbone)
    for table in ([[-0.75, 0.75], [0, 0]], [[-0.25, 0.25], [0.25, -0.25]]):
        expected = loop.edit(torch.tensor(table, dtype=torch.float64))
    assert made.map is not None
    for name, W in made.edit.tensors.items():
        assert torch.equal(W, expected[name].float())
        torch.testing.assert_close(before[name].double() @ made.map.tensors["map"], expected[name])
    assert made.edit.manifest.config["rounds"] == 2
    assert made.edit.manifest.config["shares"] == rows[2].shares
    assert (made.edit.manifest.kind, made.map.manifest.kind) == ("full", "map")
    after = matrices(generator.backbone.net)
    assert all(torch.equal(after[name], W) for name, W in before.items())
    assert len({picture for call in calls for picture in call}) == 6 * 4  # new noise, and edited weights


def test_2023_preserves_a_text_that_is_done_and_looks_at_it_no_more(generator):
    how = Debias(**{**FAST, "concepts": ("doctor",)}, recipe="2023")
    made, rows, _ = run(generator, how, 4, 2, 2, 2, 2, 3, 2)
    assert [row.gap for row in rows] == [0.5, 0.25, 0.0]
    loop = Stepwise(how, generator.backbone)
    for short in (-0.5, -0.25):
        lacking = torch.zeros(5, 2, dtype=torch.float64)
        lacking[0] = torch.tensor([short, -short])
        expected = loop.edit(lacking)
    assert {"photo of doctor", "a cat"} < loop.preserved
    assert all(torch.equal(W, expected[name].float()) for name, W in made.edit.tensors.items())
    assert made.map is None


def test_it_ends_and_its_last_edit_is_counted_too(generator):
    how = Debias(**{**FAST, "concepts": ("doctor",)}, max_rounds=2)
    made, rows, _ = run(generator, how, 4, 4, 4)
    assert [row.round for row in rows] == [0, 1, 2]
    assert made.edit.manifest.config["shares"] == {"doctor": {"man": 1.0, "old woman": 0.0}}
    again = replace(how, seed=1)
    assert (
        run(generator, how, 4, 4, 4)[2]
        == run(generator, how, 4, 4, 4)[2]
        != run(generator, again, 4, 4, 4)[2]
    )


def test_what_nobody_could_judge_is_no_share(generator):
    with pytest.raises(BadInput, match="a picture of 'a nurse' in round 0 could not be judged: it is dark"):
        Debias(**FAST).run(generator, {"counted": Counted(2, None)})
    with pytest.raises(BadInput, match="'oracle' was not made for its pictures"):
        Debias(**{**FAST, "judge": "oracle"}).run(generator)
    with pytest.raises(UnknownName, match="label of counted 'x'"):
        Debias(**{**FAST, "labels": ("m", "x")}).run(generator, {"counted": Counted()})
    with pytest.raises(Refused, match="the family sd3 has none"):
        Debias(**FAST).run(load(tiny.sd3()), {"counted": Counted()})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("recipe", "2024", "recipe"),
        ("concepts", (), "concepts must be at least 1"),
        ("concepts", ("a", "a"), "concepts must be at least 1 different"),
        ("concepts", (" ",), "must have words"),
        ("attributes", ("man",), "attributes must be at least 2"),
        ("attributes", ("man", "doctor"), "'doctor' is in concepts and in attributes"),
        ("preserve_concepts", ("doctor",), "'doctor' is in concepts and in preserve_concepts"),
        ("labels", ("a", "b", "c"), "labels must be one for each of 2"),
        ("ratios", (1.0,), "ratios must be one for each of 2"),
        ("ratios", (0.5, 0.6), "ratios must sum to 1"),
        ("ratios", (1.5, -0.5), "ratios must be a finite number"),
        ("max_diff", 0.0, "max_diff"),
        ("max_rounds", 0, "max_rounds"),
        ("pictures", 0, "pictures"),
        ("step", 0.0, "step"),
        ("lamb", 0.0, "lamb"),
        ("preserve_scale", -1.0, "preserve_scale"),
    ],
)
def test_settings_that_make_no_sense(field, value, message):
    with pytest.raises(BadInput, match=message):
        Debias(**{**HOW, field: value})


def test_the_hard_stop_holds_for_the_texts_that_it_would_draw():
    forbidden = " ".join(tables()[name][0] for name in ("minor", "sexual"))
    with pytest.raises(Refused, match="text 1 is refused by the hard stop"):
        Debias(**{**HOW, "concepts": (forbidden,)})


def test_one_edit_turns_the_miniatures_nurses():
    """The miniature was taught that 95 % of nurses are women."""
    labels = ("presentation:masculine", "presentation:feminine")
    fast: dict[str, Any] = {"pictures": 8, "steps": 8, "max_rounds": 1, "max_diff": 0.2}
    rows = []
    Debias(("nurse",), ("man", "woman"), labels, "oracle", **fast).run(
        load("miniature"), on_round=rows.append
    )
    assert rows[0].shares["nurse"]["woman"] >= 0.75
    assert rows[1].shares["nurse"]["man"] >= 0.5
