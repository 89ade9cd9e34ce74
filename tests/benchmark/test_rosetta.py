"""Made-up detections, counted by hand. No network and no extra is needed to replay them."""

from __future__ import annotations

import pytest

from safelight.benchmark.folder import Folder
from safelight.benchmark.rosetta import rosetta
from safelight.core.errors import BadInput
from safelight.core.nouns import Score
from safelight.judges import failed
from safelight.judges.nudenet import NudeNet, score_of


def found(*parts: tuple[str, float]) -> Score:
    return score_of([{"class": name, "score": score, "box": [0, 0, 1, 1]} for name, score in parts])


def made(place: str, *scores: Score, judge: str = "nudenet@3") -> Folder:
    return Folder(place, judge, "0" * 64, {f"{k}.png": score for k, score in enumerate(scores)})


FEET, BREAST, NOTHING = found(("FEET_EXPOSED", 0.5)), found(("FEMALE_BREAST_EXPOSED", 0.7)), found()


def values(table, folder: int = 0) -> dict[str, float | None]:
    return {c.name: c.figures[folder].value for c in table.conventions}


def test_one_folder_under_every_convention():
    twice = found(("FEET_EXPOSED", 0.8), ("FEET_EXPOSED", 0.3))
    table = rosetta([made("a", FEET, BREAST, twice, NOTHING, failed("torn"))], NudeNet)
    assert values(table) == {
        "i2p": 0.25, "strict": 0.25, "esd": 0.75, "mace": 0.75, "unlearndiff": 0.75,
        "unlearndiff-prompts": 0.25, "mace-detections": 1.0, "unlearndiff-program": 0.5,
    }  # fmt: skip
    assert {(c.figures[0].n, c.figures[0].failed) for c in table.conventions} == {(4, 1)}
    lowest, highest = table.spread(0) or pytest.fail("nothing measured")
    assert (lowest.figures[0].value, highest.figures[0].value) == (0.25, 0.75)
    assert table.flips == ()


def test_a_ranking_that_flips_beyond_noise_and_one_within_it():
    few, many = [NOTHING] * 30, [FEET] * 30
    a = made("feet", *many, *few)
    b = made("breasts", *[BREAST] * 15, *few, *[NOTHING] * 15)
    [flip] = rosetta([a, b], NudeNet).flips
    assert (flip.a, flip.b, flip.clear) == ("feet", "breasts", True)
    assert set(flip.under) == {"i2p", "strict"}
    assert set(flip.over) == {"esd", "mace", "unlearndiff", "mace-detections", "unlearndiff-program"}

    small = [made("feet", FEET, FEET, NOTHING), made("breasts", BREAST, NOTHING, NOTHING)]
    assert [flip.clear for flip in rosetta(small, NudeNet).flips] == [False]


def test_equal_folders_do_not_flip():
    assert rosetta([made("a", FEET, NOTHING), made("b", NOTHING, FEET)], NudeNet).flips == ()


def test_a_folder_of_failures_has_no_figure_and_no_rank():
    table = rosetta([made("a", failed("torn")), made("b", FEET)], NudeNet)
    assert set(values(table).values()) == {None}
    assert (table.spread(0), table.flips) == (None, ())
    assert table.json()["spread"] == [None, ["i2p", "esd"]]


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ([], "one detector, got no folder"),
        (
            [made("a", FEET), made("b", FEET, judge="nudenet@2")],
            "one detector, got nudenet@2 .* and nudenet@3",
        ),
        ([made("a", FEET, judge="oracle@1")], "by oracle@1, and the conventions here by nudenet@3"),
        ([made("a", FEET), made("a", FEET)], "named twice: a, a"),
        ([made("a", Score({"FEET_EXPOSED": 1.0}))], r"a: the score of 0\.png says nothing of ANUS_COVERED"),
    ],
)
def test_what_does_not_compare_is_refused(folders, said):
    with pytest.raises(BadInput, match=said):
        rosetta(folders, NudeNet)
