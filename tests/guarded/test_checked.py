"""A policy's checks on prompts and files, without a drawing."""

from __future__ import annotations

import pytest
from PIL import Image

from safelight.core.errors import BadInput, Refused
from safelight.core.hard_stop import tables
from safelight.core.ports import Preset
from safelight.guarded.checked import checked
from safelight.policies import Policy

FORBIDDEN = f"{tables()['minor'][0]} {tables()['sexual'][0]}"


@pytest.fixture
def check(tiny_model, monkeypatch, policy, judge):
    """Both by one judge of brightness; drawing is impossible."""
    monkeypatch.setattr(tiny_model.backbone, "decode", lambda x: pytest.fail("drawn"))
    return lambda *items, more="": checked(items, tiny_model, policy(more=more), judges={"brightness": judge})


def saved(path, mode="RGB", value=0):
    """A picture of one grey, but for a pixel: a blank one is judged by nobody."""
    image = Image.new(mode, (64, 64), value if mode == "L" else (value,) * 3)
    image.putpixel((0, 0), 9 if mode == "L" else (9, 9, 9))
    image.save(path)
    return str(path)


def test_a_prompt_goes_through_the_prompt_stage(check):
    plain, refused = check("a cat", FORBIDDEN)
    assert (plain.outcome, plain.prompt, plain.withheld) == ("allow", "a cat", False)
    assert [d.method for d in plain.decisions] == ["hard-stop"]
    assert refused.withheld
    assert FORBIDDEN not in str(refused.as_dict())


def test_what_a_method_writes_is_said(tiny_model):
    policy = Policy("normal", methods=({"use": "normalise"},))
    [one] = checked(["a c\u200bat"], tiny_model, policy)
    assert (one.item, one.prompt, one.outcome) == ("a c\u200bat", "a cat", "rewrite")


def test_a_picture_goes_through_the_image_checks(check, tmp_path):
    dark, bright, grey = check(
        saved(tmp_path / "dark.png"),
        saved(tmp_path / "bright.webp", value=255),
        saved(tmp_path / "grey.PNG", "L", 200),
    )
    assert [one.outcome for one in (dark, bright, grey)] == ["allow", "block", "block"]
    assert bright.decisions[0].score == pytest.approx(1, abs=0.02)
    assert grey.decisions[0].score == pytest.approx(200 / 255, abs=0.01)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\x00" * 40), "no readable picture"),
        (lambda path: None, "No such file"),
        (
            lambda path: Image.new("RGB", (8, 8)).save(
                path, save_all=True, append_images=[Image.new("RGB", (8, 8), "red")]
            ),
            "an animation",
        ),
    ],
    ids=["damaged", "missing", "animation"],
)
def test_a_file_that_is_no_one_picture_is_withheld(check, tmp_path, make, said):
    make(tmp_path / "x.png")
    [one] = check(str(tmp_path / "x.png"))
    assert (one.outcome, one.decisions[0].status) == ("block", "failed")
    assert said in one.decisions[0].reason


def test_a_file_is_no_prompt_whatever_its_name_ends_in(check, tmp_path):
    """Read as a prompt, its name would be harmless."""
    for name in ("x.gif", "x.TIFF", "x.ppm"):
        [one] = check(saved(tmp_path / name, value=255))
        assert (one.outcome, one.decisions[0].stage) == ("block", "image")
    (tmp_path / "x").write_bytes(b"\x00" * 9)
    [unreadable, gone] = check(str(tmp_path / "x"), str(tmp_path / "gone.gif"))
    assert (unreadable.outcome, gone.outcome) == ("block", "block")
    with pytest.raises(BadInput, match="is a folder"):
        check("a cat", str(tmp_path))


def test_a_judge_that_fails_withholds(check, judge, tmp_path):
    judge.presets = {"default": Preset(("bright", "nothing"), 0.5)}
    [one] = check(saved(tmp_path / "dark.png"))
    assert (one.outcome, one.decisions[0].status) == ("block", "failed")


def test_nothing_to_check_and_judges_that_are_not_there_are_refused(check, tiny_model):
    for nothing in ((), ("a cat", " ")):
        with pytest.raises(BadInput, match="nothing to check"):
            check(*nothing)
    with pytest.raises(Refused, match="Pass a judge of your own"):
        checked(["a cat"], tiny_model, "general")
