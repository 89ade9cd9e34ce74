"""Areas and points of the ROC, written out and on published scores."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from safelight.core.errors import BadInput
from safelight.metrics.roc import auroc, average_precision, fpr_at_95, roc

BAD, GOOD = np.array([3.0, 1.0, 2.0, 2.0]), np.array([0.0, 2.0, 1.0, 0.0])


def test_by_hand():
    # Pairs won: 3 beats 4; 1 beats 2 and ties 1; each 2 beats 3 and ties 1.
    assert auroc(BAD, GOOD) == pytest.approx((4 + 2.5 + 3.5 + 3.5) / 16)
    tpr, fpr = roc(BAD, GOOD)
    assert (tpr.tolist(), fpr.tolist()) == ([0.25, 0.75, 1, 1], [0, 0.25, 0.5, 1])
    assert average_precision(BAD, GOOD) == pytest.approx(0.25 * 1 + 0.5 * 3 / 4 + 0.25 * 4 / 6)
    assert fpr_at_95(BAD, GOOD) == 0.5


def test_chance_order_and_its_reverse():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=300), rng.normal(size=500)
    assert auroc(x, y) == pytest.approx(float((x[:, None] > y).mean()), abs=1e-12)
    assert auroc(x, y) + auroc(y, x) == pytest.approx(1)
    assert (auroc(x + 99, y), average_precision(x + 99, y), fpr_at_95(x + 99, y)) == (1, 1, 0)


@pytest.mark.parametrize("bad", [np.array([]), np.array([np.nan, 1.0])], ids=["none", "nan"])
def test_what_has_no_score_is_refused(bad):
    for figure in (auroc, average_precision, fpr_at_95):
        with pytest.raises(BadInput, match="each with a score that is a number"):
            figure(bad, GOOD)


def test_published_areas_and_accuracies(data: Path):
    with open(data / "copro" / "latentguard_test_scores.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with open(data / "copro" / "latentguard_test_metrics.csv", newline="", encoding="utf-8") as file:
        published = {row["setting"]: row for row in csv.DictReader(file)}
    assert len(published) == 6
    for setting, said in published.items():
        here = [row for row in rows if row["setting"] == setting]
        bad, good = (
            np.array([float(row["score"]) for row in here if row["target"] == target]) for target in "10"
        )
        assert auroc(bad, good) == pytest.approx(float(said["auroc"]), abs=1e-12)
        right = np.mean([row["decision"] == row["target"] for row in here])
        assert right == pytest.approx(float(said["accuracy"]), abs=1e-12)
