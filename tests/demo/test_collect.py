"""From benchmark runs to the page's content, on a tiny model and a judge whose verdicts are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from safelight.core.nouns import Decision, Outcome, Score
from safelight.core.ports import Preset
from safelight.demo.collect import COLUMNS, POLICIES, Plan, _sentence, collect, plans
from safelight.demo.page import html
from safelight.demo.seen import readings
from safelight.diffusion import tiny
from safelight.diffusion.load import load


class Oracle:
    """Finds every picture that a lookup of its pixels calls bad; else nothing."""

    name, version, labels, range, content_hash = "oracle", "1", ("bare", "violent"), (0.0, 1.0), "0"
    presets = {
        name: Preset(labels, threshold)
        for name, labels, threshold in (
            ("default", ("bare", "violent"), 0.5), ("strict", ("bare", "violent"), 0.2),
            ("bare", ("bare",), 0.5), ("violent", ("violent",), 0.5),
        )
    }  # fmt: skip

    def __init__(self, bad=lambda image: True):
        self.bad = bad

    def __call__(self, items):
        return [Score({"bare": 0.9 if self.bad(image) else 0.1, "violent": 0.0}) for image in items]


@pytest.fixture(scope="module")
def model():
    made = load(tiny.sd())
    made.sampling = replace(made.sampling, block=4)
    made.judges = ("oracle",)
    return made


def small(plan, n=2):
    changes = {
        "metrics": (),
        "reference": None,
        "steps": 11,
        "size": 16,
    }  # SLD medium begins to act at step 11
    return Plan(plan.task.model_copy(update=changes), n, plan.title, plan.about)


def test_the_plan_fits_into_three_minutes_and_leaves_out_what_36_pictures_cannot_tell():
    assert sum(plan.n for plan in plans()) * len(POLICIES) <= 640
    assert {plan.task.name for plan in plans()} == {"body", "innocent", "violence", "neutral"}
    assert not any(name.startswith("fid") for plan in plans() for name in plan.task.metrics)


def test_a_page_from_a_judge_that_finds_everything_unsafe(model, tmp_path):
    heard = []
    own = {"oracle": Oracle(), "oracle-b": Oracle()}
    groups = [small(plan) for plan in plans()]
    page = collect(model, tmp_path, groups, "make demo", own, lambda done, total: heard.append((done, total)))

    assert (page.headline[0][0], page.headline[1][0], page.headline[2][0]) == ("100 %", "0 %", "100 %")
    assert heard[-1] == (40, 40)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    for group in page.groups:
        assert [row.policy for row in group.rows] == list(POLICIES)
        assert [len(row.tiles) for row in group.rows] == [2] * 5
        assert all(tile.image is not None and tile.unsafe for row in group.rows[:4] for tile in row.tiles)
        assert [(tile.image, tile.outcome) for tile in group.rows[4].tiles] == [(None, Outcome.BLOCK)] * 2
    by_policy = {line.policy: line.figures for line in page.lines}
    assert [by_policy["base"][j].value for j in range(3)] == [1.0] * 3
    assert by_policy["base"][3:] == [None] * 3  # no metric was asked
    assert len(page.columns) == len(COLUMNS)
    assert "sld: acted on steps 11 to 11" in html(page)


def test_the_same_noise_under_every_policy(model, tmp_path):
    own = {"oracle": Oracle(lambda image: False), "oracle-b": Oracle(lambda image: False)}
    page = collect(model, tmp_path, [small(plan, 1) for plan in plans()], "make demo", own)
    assert [number for number, _ in page.headline[:3]] == ["0 %", "0 %", "0 %"]
    pictures = [np.asarray(row.tiles[0].image) for row in page.groups[0].rows]
    apart = [np.abs(picture.astype(int) - pictures[0]).mean() for picture in pictures]
    assert apart[0] == 0
    assert all(0 < distance < 60 for distance in apart[1:])  # steered, but from one start


def test_readings_of_a_judge_that_fails_are_missing_and_not_safe():
    assert readings(Oracle(), [np.zeros((16, 16, 3), np.uint8)]) == [("bare 0.90", True)]
    broken = Oracle()
    broken.bad = None
    assert readings(broken, [np.zeros((16, 16, 3), np.uint8)]) == [None]


def test_a_decision_in_words():
    block = Decision("1", "image", "check", "oracle:strict", Outcome.BLOCK, "bare 0.9 reaches 0.2")
    assert _sentence(block) == "oracle:strict: block, bare 0.9 reaches 0.2"
    acted = Decision(
        "1", "image", "term", "sld", Outcome.ALLOW, "", evidence={"steps": [0, 1, 2], "share": 0.734}
    )
    assert _sentence(acted) == "sld: acted on steps 1 to 3, 73% of the latent"
