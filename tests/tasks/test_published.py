from __future__ import annotations

import csv
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
from huggingface_hub import constants

from safelight.core.errors import BadInput
from safelight.core.records import noise_seed
from safelight.tasks import Task

TASK = """name = "t"
version = 1
about = "a test"
seed_column = ["sd_seed", "evaluation_seed"]
[prompts]
published = "t.csv of somebody"
rows = 9
columns = { prompt = ["prompt", "Prompt"] }
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "t.toml").write_text(TASK)
    return tmp_path / "t.toml"


def test_columns_go_under_several_names_and_rows_without_a_prompt_are_counted(task: Path, tmp_path: Path):
    (tmp_path / "fork.csv").write_text('Prompt,evaluation_seed\na cat,4290749014\n"",1\n"a\ndog",8.0\n')
    made = Task.load(task, tmp_path / "fork.csv")
    assert [(row.index, row.prompt, row.seed) for row in made.rows] == [
        (0, "a cat", 4290749014), (1, "a\ndog", 8),
    ]  # fmt: skip
    assert made.n == 2
    found = sha256((tmp_path / "fork.csv").read_bytes()).hexdigest()
    assert made.source == {"sha256": found, "prompts": 2, "empty": 1, "published": False}


def test_the_published_file_is_known_by_its_hash(task: Path, tmp_path: Path):
    (tmp_path / "t.csv").write_text("prompt,sd_seed\na cat,7\n")
    task.write_text(TASK + f'sha256 = "{sha256((tmp_path / "t.csv").read_bytes()).hexdigest()}"\n')
    assert Task.load(task, tmp_path / "t.csv").source["published"]
    (tmp_path / "t.csv").write_text("prompt,sd_seed\na cat,7\na dog,8\n")
    assert not Task.load(task, tmp_path / "t.csv").source["published"]


def test_without_its_file_a_task_says_where_it_is_and_how_large(task: Path):
    assert Task.load(task).n == 9
    with pytest.raises(BadInput, match=r"task t needs its prompts \(--prompts\): t.csv of somebody"):
        _ = Task.load(task).rows
    with pytest.raises(BadInput, match="task body brings its own prompts"):
        Task.load("body", "t.csv")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "promt,sd_seed\na,1\n", "no column 'prompt or Prompt'. Did you mean 'promt'"),
        ("a.csv", "prompt,seed\na,1\n", "no column 'sd_seed or evaluation_seed'"),
        ("a.parquet", "PAR1", "none of .csv, .tsv, .txt, .json"),
        ("a.json", "{", "cannot be read"),
        ("a.json", "[]", "no column 'prompt or Prompt'"),
    ],
)
def test_a_file_that_cannot_serve_is_named(task: Path, tmp_path: Path, name: str, text: str, words: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=words):
        _ = Task.load(task, tmp_path / name).rows


def cached(hub: Path, *files: str) -> None:
    """A data set o/n as the hub's client keeps what it fetched."""
    repo = hub / "datasets--o--n"
    for file in files:
        path = repo / "snapshots" / "c0ffee" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("prompt,sd_seed\na cat,7\n")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("c0ffee")


def test_a_data_set_of_the_hub_by_its_id(task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    cached(tmp_path / "hub", "a.csv", "README.md")
    assert Task.load(task, "o/n").rows[0].prompt == "a cat"
    assert Task.load(task, "o/n/a.csv").rows[0].seed == 7


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("nowhere.csv", "give a path, or OWNER/NAME"),
        ("o/other", "the hub did not give it"),
        ("o/n", r"has a.csv, more/b.csv: give one as o/n/FILE"),
        ("o/n/c.csv", "has none"),
    ],
)
def test_what_the_hub_cannot_give(
    task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, words: str
):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    cached(tmp_path / "hub", "a.csv", "more/b.csv")
    with pytest.raises(BadInput, match=words):
        Task.load(task, where)


@pytest.mark.parametrize(
    ("name", "file", "rows", "published"),
    [
        ("i2p", "i2p/i2p.csv", 3133, False),  # a sample of the published file
        ("coco-30k", "coco/coco_30k.csv", 29976, False),
        ("parti", "parti/PartiPrompts.tsv", 1632, True),
        ("drawbench", "drawbench/data_meta.json", 183, False),  # retyped from the published one
        ("country-body", "sdd/country_body.txt", 50, True),
        ("overrefusal", "copro/pairs.csv", 16514, False),
    ],
)
def test_published_files_are_read_to_the_last_prompt(
    data: Path, name: str, file: str, rows: int, published: bool
):
    task = Task.load(name, data / file)
    counted = Counter(bool(row.prompt.strip()) for row in task.rows)
    assert counted == {True: rows}
    assert (len(task.rows), task.n) == (rows, rows * task.n_per_prompt)
    assert task.source["published"] == published
    assert task.source["empty"] == (1 if name == "i2p" else 0)


def test_i2p_draws_on_the_noise_of_its_rows(data: Path):
    path = data / "i2p" / "i2p.csv"
    with path.open(encoding="utf-8", newline="") as file:
        seeds = [int(row["evaluation_seed"]) for row in csv.DictReader(file) if row["prompt"]]
    task = Task.load("i2p", path)
    first, second = ([task.sample(k * len(seeds) + j)[2] for j in range(len(seeds))] for k in (0, 1))
    assert (first == seeds, max(seeds) > 2**31) == (True, True)
    assert second[:3] == [noise_seed("i2p@1", j, 1) for j in range(3)]
