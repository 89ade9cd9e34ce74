from __future__ import annotations

import csv
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from safelight.core.errors import BadInput
from safelight.metrics.association import association, effect, p_value


def vectors(n: int, seed: int, d: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def groups(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return vectors(n, 0), vectors(n, 1), vectors(10, 2), vectors(5, 3)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b))


def test_it_is_the_definition_written_out():
    x, y, a, b = groups(4)
    s = [np.mean([cosine(w, u) for u in a]) - np.mean([cosine(w, u) for u in b]) for w in (*x, *y)]
    assert association(np.concatenate([x, y]), a, b) == pytest.approx(s, rel=1e-12)
    for ddof in (0, 1):
        d = (np.mean(s[:4]) - np.mean(s[4:])) / np.std(s, ddof=ddof)
        assert effect(x, y, a, b, ddof) == pytest.approx(d, rel=1e-12)
    observed = sum(s[:4]) - sum(s[4:])
    splits = [2 * sum(s[i] for i in half) - sum(s) for half in combinations(range(8), 4)]
    with pytest.warns(UserWarning, match="with 4 targets a side p cannot be below 1/70"):
        p = p_value(x, y, a, b)
    assert p == pytest.approx(sum(value >= observed - 1e-12 for value in splits) / 70, abs=1e-12)
    with pytest.warns(UserWarning, match="1/70"):
        p = p_value(x, y, a, b, two_sided=True)
    assert p == pytest.approx(sum(abs(v) >= abs(observed) - 1e-12 for v in splits) / 70, abs=1e-12)


def test_exchanging_groups_turns_the_sign():
    x, y, a, b = groups(9)
    d = effect(x, y, a, b)
    assert effect(y, x, a, b) == pytest.approx(-d)
    assert effect(x, y, b, a) == pytest.approx(-d)
    assert abs(d) <= 2 * np.sqrt(17 / 18)


def test_random_splits_agree_with_all_of_them(monkeypatch: pytest.MonkeyPatch):
    x, y, a, b = groups(8)
    exact = p_value(x, y, a, b)
    monkeypatch.setattr("safelight.metrics.association.EXACT", 100)
    monkeypatch.setattr("safelight.metrics.association.DRAWS", 20_000)
    assert p_value(x, y, a, b) == pytest.approx(exact, abs=4 * np.sqrt(0.25 / 20_000))


def test_p_is_uniform_where_nothing_is_associated():
    ps = np.zeros(60)
    for run in range(60):
        x, y = vectors(8, 4 * run, 4), vectors(8, 4 * run + 1, 4)
        ps[run] = p_value(x, y, vectors(3, 4 * run + 2, 4), vectors(3, 4 * run + 3, 4))
    ps.sort()
    distance = np.max(np.abs(ps - (np.arange(60) + 0.5) / 60))
    assert distance < 1.63 / np.sqrt(60)  # Kolmogorov's test at 1 %


def test_only_the_permutation_needs_equally_many_targets():
    x, y, a, b = groups(9)
    s = association(np.concatenate([x[:3], y]), a, b)
    assert effect(x[:3], y, a, b) == pytest.approx((s[:3].mean() - s[3:].mean()) / s.std(ddof=1))
    with pytest.raises(BadInput, match="equally many, got 3 and 9"):
        p_value(x[:3], y, a, b)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: [g[0][:1], *g[1:]], "at least 2 targets each, got 1 and 9"),
        (lambda g: [g[0], np.vstack([g[1][:8], g[0][:1]]), *g[2:]], "X and Y share 1 embeddings"),
        (lambda g: [*g[:3], g[2]], "A and B share 10 embeddings"),
        (lambda g: [*g[:2], g[2] * 0, g[3]], "A holds a zero, NaN or infinite embedding in row 0"),
        (lambda g: [*g[:3], np.full((2, 12), np.nan)], "B holds a zero, NaN"),
        (lambda g: [*g[:3], np.ones((0, 12))], "B holds no embedding"),
    ],
)
def test_bad_input_is_named(change, words: str):
    with pytest.raises(BadInput, match=words):
        effect(*change(groups(9)))


def test_targets_of_one_association_have_no_effect_size():
    x = np.arange(1, 4)[:, None] * np.ones((1, 12))
    with pytest.raises(BadInput, match="no scale"):
        effect(x, x + 7, vectors(5, 2), vectors(5, 3))


@pytest.mark.parametrize(
    ("keys", "d"),
    [
        (("flowers", "insects", "pleasant_5", "unpleasant_5a"), 1.5393),
        (("instruments", "weapons", "pleasant_5", "unpleasant_5a"), 1.6279),
        (("male_names", "female_names", "career", "family"), 1.8899),
        (("math", "arts", "male_terms", "female_terms"), 0.9664),
        (("science", "arts_2", "male_terms_2", "female_terms_2"), 1.2439),
        (("mental_disease", "physical_disease", "temporary", "permanent"), 1.2967),
    ],
)
def test_published_effects_of_word_vectors(data: Path, keys: tuple[str, ...], d: float):
    words, vector = json.loads((data / "weat" / "WEAT.json").read_text()), word_vectors(data)
    x, y, a, b = (np.array([vector[w] for w in words[key] if w in vector]) for key in keys)
    assert effect(x, y, a, b) == pytest.approx(d, abs=5e-5)


def word_vectors(data: Path) -> dict[str, np.ndarray]:
    lines = (data / "weat" / "weat_word2vec.txt").read_text(encoding="utf-8").splitlines()[1:]
    return {line.split()[0]: np.array(line.split()[1:], dtype=np.float64) for line in lines}


@pytest.mark.parametrize(
    ("a", "b", "d", "hits"),
    [("tool", "weapon", 0.8617289, 63), ("tool-modern", "weapon-modern", 0.8764966, 56)],
)
def test_published_effects_and_exact_p_of_picture_embeddings(data: Path, a: str, b: str, d: float, hits: int):
    def read(name: str) -> np.ndarray:
        with (data / "ieat" / f"weapon_{name}_igpt_l_32.csv").open(newline="") as file:
            return np.array([row[1:1537] for row in list(csv.reader(file))[1:]], dtype=np.float64)

    four = read("white"), read("black"), read(a), read(b)
    assert effect(*four) == pytest.approx(d, abs=5e-8)
    with pytest.warns(UserWarning, match="with 6 targets a side p cannot be below 1/924"):
        assert p_value(*four) == pytest.approx(hits / 924, abs=1e-12)
