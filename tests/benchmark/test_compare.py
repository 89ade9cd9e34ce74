"""Two runs side by side, from stored scores alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmark.stored import fill

from safelight import cli
from safelight.benchmark.compare import comparison, flat
from safelight.benchmark.results import find
from safelight.core.errors import BadInput, Refused
from safelight.core.intervals import mcnemar
from safelight.metrics.erase_rate import erase_rate
from safelight.store import Store


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "runs.db") as store:
        yield store


def compared(store: Store, a: str, b: str):
    return comparison(store, find(store, a), find(store, b))


def test_differences_are_paired_and_signed_from_a_to_b(store: Store):
    fill(store, "base", [1, 1, 1, 0], clip=[0.5, 0.6, 0.7, 0.8])
    fill(store, "sld", [0, 1, None, 0], clip=[0.4, 0.5, 0.6, 0.7])
    made = compared(store, "base", "sld")
    (clip, _), (share_a, share_b) = ((a, b) for a, b in made.pairs)
    assert clip.metric == "clip@miniature-1"
    assert (share_a.figure.value, share_b.figure.value) == (0.75, pytest.approx(1 / 3))
    assert share_a.change is None
    assert share_b.change is not None
    assert (share_b.change.value, share_b.change.n, share_b.change.failed) == (pytest.approx(-1 / 3), 3, 1)
    back = compared(store, "sld", "base").pairs[0][1].change
    assert back is not None
    assert back.value == pytest.approx(0.1)


def test_the_erase_rate_is_of_what_was_unsafe_in_a(store: Store):
    fill(store, "base", [1, 1, 1, 0, 1], clip=[0.5] * 5)
    fill(store, "sld", [0, 1, 0, 1, None], clip=[0.4] * 5)
    (_, clip), (a, b) = compared(store, "base", "sld").pairs
    assert clip.erased is None
    assert a.erased is None
    assert b.erased == erase_rate([0, 1, 0, 1, None], [1, 1, 1, 0, 1], [0] * 5)
    assert b.erased is not None
    assert b.erased.value == pytest.approx(1 / 3)


def test_only_axes_that_differ_are_listed(store: Store):
    fill(store, "base", [1])
    fill(store, "sld", [1], versions={"judge oracle@1": "aa11", "diffusers": "0.42"})
    assert compared(store, "base", "sld").axes == {
        "policy.name": ("base", "sld"),
        "policy.methods.1.use": (None, "sld"),
        "policy.methods.1.scale": (None, "2.0"),
        "version of diffusers": (None, "0.42"),
    }


def test_settings_become_one_table():
    nested = {"policy": {"methods": [{"use": "sld", "concept": ["bare", "violent"]}], "checks": []}, "n": 3}
    assert flat(nested) == {
        "policy.methods.1.use": "sld", "policy.methods.1.concept": "bare, violent", "n": "3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"task": "body@2"}, "pictures of body@1 do not compare with pictures of body@2"),
        ({"judge": "oracle:bare@2"}, "oracle:bare@1 there, share@1 and oracle:bare@2 here"),
        ({"judge": "nudenet:i2p@3"}, "no measure in common"),
        ({"versions": {"judge oracle@1": "bb22"}}, "the judge oracle@1 has other weights in each"),
        ({"prompt": "a photo of a cat"}, "the prompts of body@1 are not the same in both"),
        ({"seed": 7}, "different noise"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_does_not_compare_is_refused_in_a_sentence(store: Store, other, said):
    fill(store, "base", [1, 0])
    fill(store, "sld", [1, 0], **other)
    with pytest.raises(Refused) as refused:
        compared(store, "base", "sld")
    [problem] = refused.value.problems
    assert said in problem


def test_a_run_does_not_compare_with_itself(store: Store):
    run = fill(store, "base", [1])
    with pytest.raises(BadInput, match="both names are the run"):
        compared(store, "base", run)


def test_a_measure_of_one_side_is_named(store: Store):
    fill(store, "base", [1, 0])
    fill(store, "sld", [1, 0], clip=[0.1, 0.2])
    made = compared(store, "base", "sld")
    assert [a.metric for a, _ in made.pairs] == ["share@1"]
    assert made.only == ("clip",)


def test_the_command_prints_axes_and_figures_or_one_document(store: Store, tmp_path: Path, capsys):
    fill(store, "base", [1, 1, 0])
    fill(store, "sld", [0, 0, 0])
    arguments = ["compare", "base", "sld", "--db", str(tmp_path / "runs.db")]
    assert cli.run(arguments) == 0
    said = capsys.readouterr()
    assert "| policy.methods.1.use | - | sld |" in said.out
    assert "| oracle:bare share | 66.7 % [" in said.out
    assert "| -66.7 points [" in said.out
    assert "| erase rate |" in said.out
    assert "| 100.0 % [" in said.out
    assert cli.run([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["task"], document["n"]) == ("body@1", 3)
    assert document["cells"][1]["change"]["value"] == pytest.approx(-2 / 3)
    assert cli.run(["compare", "base", "sls", "--db", str(tmp_path / "runs.db")]) == 2
    assert "Did you mean 'sld'?" in capsys.readouterr().err


def test_one_picture_a_prompt_has_mcnemars_p(store: Store):
    fill(store, "base", [1])
    fill(store, "sld", [0])
    [(_, cell)] = compared(store, "base", "sld").pairs
    assert cell.p == mcnemar([0], [1])


LIGHT = """
import sys
from safelight import cli
code = cli.run(sys.argv[1:])
print(*sorted({"torch", "diffusers", "transformers"} & sys.modules.keys()), file=sys.stderr)
sys.exit(code)
"""


def test_shares_compare_without_any_network_library(store: Store, tmp_path: Path):
    fill(store, "base", [1, 1])
    fill(store, "sld", [0, 1])
    words = ["compare", "base", "sld", "--db", str(tmp_path / "runs.db"), "--json"]
    done = subprocess.run([sys.executable, "-c", LIGHT, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.split() == []
