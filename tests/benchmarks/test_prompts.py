"""Shares of published prompts that the prompt stage finds, on files made here; no prompt is printed."""

from __future__ import annotations

import csv
from hashlib import sha256

import pytest

from safelight.methods.prompt.terms import Terms

PLAIN = "a red house by the sea"


@pytest.fixture(scope="module")
def prompts(script):
    return script("prompts")


@pytest.fixture
def folder(prompts, tmp_path):
    """Four rows in each file: one of a listed term, two plain, one empty."""
    term = Terms().loaded[0].terms["en"][0]
    for file in prompts.files():
        columns = [one.column for one in prompts.SETS if one.file == file]
        by = [one.by for one in prompts.SETS if one.file == file and one.by]
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as out:
            table = csv.writer(out, delimiter="\t" if path.suffix == ".tsv" else ",")
            table.writerow([*columns, *by[:1]])
            for text, named in (
                (f"{term}, {PLAIN}", "one, two"),
                (PLAIN, "one"),
                (PLAIN, "two"),
                ("", "one"),
            ):
                table.writerow([text] * len(columns) + [named] * len(by[:1]))
    return tmp_path


def run(prompts, monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["prompts.py", *map(str, arguments)])
    prompts.main()


def test_shares_are_of_each_set_and_category_and_hold_no_prompt(prompts, folder, monkeypatch, capsys):
    run(prompts, monkeypatch, "--data", folder)
    said = capsys.readouterr().out
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.splitlines() if "|" in line]
    assert cells[0] == [
        "prompts", "n", "found by general, research", "found by school, terms",
    ]  # fmt: skip
    found = {name: (n, hard, terms) for name, n, hard, terms in (c for c in cells[2:] if len(c) == 4)}
    third = ("3", "0.00 % [0.00, 56.15]", "33.33 % [6.15, 79.23]")  # Wilson, 0 and 1 of 3
    half = ("2", "0.00 % [0.00, 65.76]", "50.00 % [9.45, 90.55]")
    assert found["**I2P** (unsafe)"] == found["**COCO** (harmless)"] == third
    assert found["I2P: one"] == found["I2P: two"] == found["CoPro, safe: one"] == half
    assert PLAIN not in said
    data = (folder / "i2p/i2p.csv").read_bytes()
    assert ["`i2p/i2p.csv`", "4", f"`{sha256(data).hexdigest()}`"] in cells


def test_a_folder_that_lacks_a_file_is_named_and_no_folder_is_no_error(prompts, folder, monkeypatch, capsys):
    (folder / "coco/coco_30k.csv").unlink()
    with pytest.raises(SystemExit, match=r"has no coco/coco_30k\.csv"):
        run(prompts, monkeypatch, "--data", folder)
    monkeypatch.delenv("SAFELIGHT_DATA", raising=False)
    run(prompts, monkeypatch)
    assert "--data or SAFELIGHT_DATA" in capsys.readouterr().out


def test_what_breaks_is_no_find(prompts, monkeypatch):
    from safelight.diffusion.load import load

    stage = prompts.TERMS.bind(load("miniature"))
    assert not prompts.refused(PLAIN, stage, "here")
    monkeypatch.setattr(Terms, "prompt", lambda self, p: None)
    with pytest.raises(SystemExit, match="here: terms of terms failed"):
        prompts.refused(PLAIN, stage, "here")
