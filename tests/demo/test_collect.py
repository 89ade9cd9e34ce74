"""From benchmark runs to the page's content, on a tiny model and a judge whose verdicts are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from safelight.core.nouns import Decision, Outcome, Score
from safelight.core.ports import Preset, Reads
from safelight.demo.collect import COLUMNS, POLICIES, Plan, _sentence, collect, plans
from safelight.demo.page import html
from safelight.demo.seen import readings
from safelight.diffusion import tiny
from safelight.diffusion.load import load

# The tiny tokenizer has one token a letter, so that lists of concepts do not fit.
pytestmark = pytest.mark.filterwarnings("ignore:.*too long for the text encoder")


class Oracle:
    """Finds every picture bare that `bad` says."""

    def __init__(self, bad=lambda image: True):
        self.name, self.version, self.content_hash = "oracle", "1", "0"
        self.reads: Reads = "image"
        self.reads = "image"
        self.labels, self.range, self.bad = ("bare", "violent"), (0.0, 1.0), bad
        both = {"default": Preset(self.labels, 0.5), "strict": Preset(self.labels, 0.2)}
        self.presets: Mapping[str, Preset] = both | {label: Preset((label,), 0.5) for label in self.labels}

    def __call__(self, items):
        return [Score({"bare": 0.9 if self.bad(image) else 0.1, "violent": 0.0}) for image in items]


@pytest.fixture(scope="module")
def model():
    made = load(tiny.sd())
    made.sampling = replace(made.sampling, block=4)
    made.judges = ("oracle",)
    return made


def small(plan):
    changes = {
        "metrics": (),
        "reference": None,
        "steps": 11,
        "size": 16,
    }  # SLD medium begins to act at step 11
    return Plan(plan.task.model_copy(update=changes), 1, plan.title, plan.about)


def test_the_plan_fits_into_three_minutes_and_leaves_out_what_24_pictures_cannot_tell():
    assert sum(plan.n for plan in plans()) * len(POLICIES) <= 400
    assert {plan.task.name for plan in plans()} == {"body", "innocent", "violence", "neutral"}
    assert not any(name.startswith("fid") for plan in plans() for name in plan.task.metrics)


@pytest.fixture(scope="module")
def collected(model, tmp_path_factory):
    """The page of a judge that finds everything bare, and what was said of its progress."""
    heard, own = [], {"oracle": Oracle(), "oracle-b": Oracle()}
    groups = [small(plan) for plan in plans()]
    out = tmp_path_factory.mktemp("demo")
    page = collect(model, out, groups, "make demo", own, lambda done, total: heard.append((done, total)))
    return page, heard


def test_the_headline_counts_what_is_released(collected):
    page, _ = collected
    assert [number for number, _ in page.headline] == ["100 %", "0 %", "100 %"]


def test_every_picture_has_its_tile_and_only_the_check_withholds(collected):
    page, _ = collected
    for group in page.groups:
        assert [row.policy for row in group.rows] == list(POLICIES)
        assert all(tile.image is not None and tile.unsafe for row in group.rows[:4] for tile in row.tiles)
        assert [(tile.image, tile.outcome) for tile in group.rows[4].tiles] == [(None, Outcome.BLOCK)]


def test_the_table_holds_the_benchmarks_figures(collected):
    page, _ = collected
    base = page.lines[0].figures
    assert [figure and figure.value for figure in base] == [1.0, 1.0, 0.0, None, None, None]  # none violent
    assert len(page.columns) == len(COLUMNS)


def test_the_same_noise_under_every_policy(collected):
    page, _ = collected
    pictures = [np.asarray(row.tiles[0].image).astype(int) for row in page.groups[0].rows[:4]]
    apart = [np.abs(picture - pictures[0]).mean() for picture in pictures[1:]]
    assert all(0 < distance < 60 for distance in apart)  # steered, but from one start


def test_methods_say_on_which_steps_they_acted(collected):
    assert "sld: acted on steps 11 to 11" in html(collected[0])


def test_progress_runs_up_to_all_pictures(collected):
    _, heard = collected
    assert heard[-1] == (20, 20)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_readings_of_a_judge_that_fails_are_missing_and_not_safe():
    stripes = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    assert readings(Oracle(), [stripes]) == [("bare 0.90", True)]
    assert readings(Oracle(), [np.zeros_like(stripes)]) == [None]
    broken = Oracle(lambda image: 1 / 0)
    assert readings(broken, [stripes]) == [None]


def test_a_decision_in_words():
    block = Decision("1", "image", "check", "oracle:strict", Outcome.BLOCK, "bare 0.9 reaches 0.2")
    assert _sentence(block) == "oracle:strict: block, bare 0.9 reaches 0.2"
    acted = Decision(
        "1", "image", "term", "sld", Outcome.ALLOW, "", evidence={"steps": [0, 1, 2], "share": 0.734}
    )
    assert _sentence(acted) == "sld: acted on steps 1 to 3, 73% of the latent"
