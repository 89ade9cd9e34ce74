"""safelight check and safelight policy explain, on the miniature."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from safelight import cli
from safelight.core.hard_stop import tables

FORBIDDEN = f"{tables()['minor'][0]} {tables()['sexual'][0]}"


@pytest.fixture
def run(capsys):
    def call(*arguments):
        code = cli.run(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_a_table_and_exit_code_1_where_one_would_be_withheld(run):
    code, out, err = run("check", "a red house", FORBIDDEN, "--policy", "school")
    assert code == 1
    assert "| a red house | prompt | hard-stop | allow | does not apply |" in out
    assert "| (refused) | prompt | hard-stop | block | no policy allows this |" in out
    assert "1 of 2 would be withheld under the policy 'school'" in err
    assert FORBIDDEN not in out + err


def test_pictures_as_json(run, tmp_path):
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "black.png")
    code, out, _ = run("check", str(tmp_path / "black.png"), "--policy", "school", "--json")
    [one] = json.loads(out)
    assert [d["method"] for d in one["decisions"]] == ["oracle:strict"]
    assert code == (one["outcome"] in ("block", "review"))
    code, out, _ = run("check", str(tmp_path / "black.png"), "--policy", "research")
    assert (code, "the policy has no check for it" in out) == (0, True)
    assert run("check", str(tmp_path / "gone.png"))[0] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check",), "nothing to check"),
        (("check", "a cat", "--policy", "scool"), "Did you mean 'school'?"),
        (("policy", "explain", "scool"), "Did you mean 'school'?"),
    ],
    ids=str,
)
def test_wrong_usage_is_2(run, arguments, said):
    code, _, err = run(*arguments)
    assert (code, said in err) == (2, True)


def test_explain_in_words_and_as_json(run):
    code, out, _ = run("policy", "explain", "school")
    assert (code, out.splitlines()[0]) == (0, "Policy 'school'.")
    code, document, _ = run("policy", "explain", "school", "--json")
    assert json.loads(document)["words"] == out.splitlines()
