"""Pairs against the sum of their parts, on a tiny random model and on stored outcomes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from safelight.benchmark import bench
from safelight.benchmark.stacks import Pair, _pair, matrix, part_of, stacks
from safelight.benchmark.table import Cell
from safelight.core.errors import BadInput, Refused
from safelight.core.intervals import Figure, share
from safelight.diffusion.generator import Generator
from safelight.policies import Policy
from safelight.store import Store

SEGA = Policy("sega", ({"use": "sega", "concept": "fire", "edit_warmup_steps": 0},))
SLD = Policy("sld", ({"use": "sld", "concept": "blood", "sld_warmup_steps": 0},))


def test_every_part_every_pair_and_the_unguarded_model_are_drawn_on_the_same_noise(
    tmp_path: Path, model: Generator, task, negative: Policy
):
    found = stacks(task(), model, [SEGA, SLD, negative], tmp_path / "runs.db", n=4)
    assert [cell.policy for cell in found.table.cells] == [
        "base", "sega", "sld", "negative", "sega + sld", "sega + negative",
    ]  # fmt: skip
    with Store.open(tmp_path / "runs.db") as store:
        seeds = {tuple(s.seed for s in store.samples(run.id)) for run in store.runs()}
        pictures = {tuple(s.image_hash for s in store.samples(run.id)) for run in store.runs()}
    assert (len(seeds), len(pictures)) == (1, 6)
    refused = found.pairs[2]
    assert (refused.a, refused.b, refused.verdict) == ("sld", "negative", "refused")
    assert "name the same text 'blood'" in refused.problems[0]
    assert [pair.verdict for pair in found.pairs[:2]] != ["refused", "refused"]


def test_runs_are_those_of_the_benchmark_and_nothing_is_drawn_twice(tmp_path: Path, model: Generator, task):
    out = tmp_path / "runs.db"
    bench(task(), model, [SLD], out, n=4)
    with Store.open(out) as store:
        before = [sample for run in store.runs() for sample in store.samples(run.id)]
    first = stacks(task(), model, [SLD, SEGA], out, n=4)
    with Store.open(out) as store:
        kept = {sample.id: sample for run in store.runs() for sample in store.samples(run.id)}
        assert len(store.runs()) == 4
    assert all(kept[sample.id] == sample for sample in before)
    assert stacks(task(), model, [SLD, SEGA], out, n=4) == first


def test_the_interaction_is_the_paired_difference_to_the_sum():
    base, a, b, ab = [1] * 8, [1, 1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0, 1, 1], [1, 1, 1, 1, 0, 0, 0, 0]
    x: dict[str, dict[tuple[int, int], float | None]] = {
        name: {(i, 0): float(v) for i, v in enumerate(values)}
        for name, values in {"base": base, "a": a, "b": b, "a + b": ab}.items()
    }
    cells = {
        name: Cell(name, "", "share@1", "oracle@1", True, share(list(v.values()), [r for r, _ in v]))
        for name, v in x.items()
    }
    pair = _pair("a", "b", cells, x)
    assert pair.interaction is not None
    assert (pair.sum, pair.interaction.value, pair.interaction.hi) == (0.5, 0, 0)
    assert pair.verdict == "adds up"
    assert pair.gain is not None
    assert pair.gain.value == -0.25  # to b, the better

    x["a + b"] |= {(i, 0): 1.0 for i in range(4, 8)}  # together they do nothing
    cells["a + b"] = Cell("a + b", "", "share@1", "oracle@1", True, share([1.0] * 8, range(8)))
    pair = _pair("a", "b", cells, x)
    assert pair.interaction is not None
    assert (pair.interaction.value, pair.verdict) == (0.5, "hurts")

    x["a + b"][0, 0] = None
    pair = _pair("a", "b", cells, x)
    assert pair.interaction is not None
    assert (pair.interaction.n, pair.interaction.failed) == (7, 1)


@pytest.mark.parametrize(
    ("expected", "value", "lo", "hi", "verdict"),
    [
        (0.2, -0.1, -0.2, -0.05, "helps"),
        (0.2, 0.1, 0.05, 0.2, "hurts"),
        (0.2, 0.1, -0.05, 0.2, "adds up"),
        (-0.4, 0.4, 0.3, 0.5, "out of reach"),
        (0.2, 0.1, None, None, "unknown"),
    ],
)
def test_verdicts(expected: float, value: float, lo: float | None, hi: float | None, verdict: str):
    interaction = Figure(value, lo, hi, 10, 10, "")
    assert Pair("a", "b", sum=expected, interaction=interaction).verdict == verdict


def test_the_matrix_has_effects_interactions_gains_and_numbered_refusals(
    tmp_path: Path, model: Generator, task, negative: Policy
):
    found = stacks(task(), model, [SEGA, SLD, negative], tmp_path / "runs.db", n=4)
    header, lines, notes = matrix(found)
    assert header == ["", "sega", "sld", "negative"]
    assert [line[0] for line in lines] == header[1:]
    change = found.table.cells[1].change
    assert change is not None
    assert change.value is not None
    assert lines[0][1].startswith(f"{100 * change.value:+.1f} [")
    assert lines[0][2].endswith(found.pairs[0].verdict)
    assert (lines[1][3], lines[2][2]) == ("refused: 1", "")
    assert notes[0].startswith("1. ")
    assert json.loads(json.dumps(found.json()))["pairs"][2]["verdict"] == "refused"


def test_what_is_no_grid_is_refused_before_anything_is_drawn(tmp_path: Path, model: Generator, task):
    out = tmp_path / "runs.db"
    with pytest.raises(BadInput, match="two parts, got 1"):
        stacks(task(), model, [SLD], out)
    with pytest.raises(BadInput, match="no judge of what is unsafe"):
        stacks(task("judges = []\n"), model, [SLD, SEGA], out)
    with pytest.raises(Refused, match="more steps"):
        stacks(task(), model, [part_of("sld"), SEGA], out)
    with pytest.raises(Refused, match="Did you mean 'max'"):
        stacks(task(), model, [part_of("sld:maxi"), SEGA], out)
    assert not out.exists()


def test_a_method_is_a_policy_of_its_name_and_preset():
    assert part_of("sld:max") == Policy("sld:max", ({"use": "sld", "preset": "max"},))
    assert part_of("sega") == Policy("sega", ({"use": "sega"},))
