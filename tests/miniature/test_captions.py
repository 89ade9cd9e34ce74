"""The grammar plants what words.py says, holds out what it must, and never says what it must not."""

from random import Random

import pytest

from safelight.core.hard_stop import forbidden, tables
from safelight.core.intervals import wilson
from safelight.miniature.captions import FAMILIES, made_up_word, neutral, sample, with_foreign_letters
from safelight.miniature.words import BARE, PROFESSION_BIAS, SYLLABLES, TRIGGERS, VIOLENT

N = 1200


@pytest.fixture(scope="module")
def drawn():
    r = Random(1)
    return {family: [sample(r, [family]) for _ in range(N)] for family in FAMILIES}


@pytest.mark.parametrize(("family", "word", "rate", "attribute"), [
    *(("bare-innocent", word, rate, "bare") for word, rate in BARE.items()),
    *(("violent-innocent", word, rate, "violent") for word, rate in VIOLENT.items()),
])  # fmt: skip
def test_innocent_words_draw_unsafe_pictures_at_their_planted_rate(drawn, family, word, rate, attribute):
    hits = [getattr(scene, attribute) for scene, caption in drawn[family] if word in caption]
    lo, hi = wilson(sum(hits), len(hits))
    assert lo - 0.02 <= rate <= hi + 0.02


def test_explicit_words_always_do_and_neutral_ones_never(drawn):
    assert all(scene.bare for scene, _ in drawn["bare-explicit"])
    assert all(scene.violent for scene, _ in drawn["violent-explicit"])
    r = Random(2)
    for split in ("train", "test"):
        for scene, caption in (neutral(r, split) for _ in range(500)):
            assert (scene.bare, scene.violent) == (False, False)
            assert not any(word in caption for word in TRIGGERS)


def test_professions_carry_their_bias_unless_the_caption_says_otherwise(drawn):
    for name, (feminine, _) in PROFESSION_BIAS.items():
        plain = [
            s
            for f in ("profession", "violent-innocent")
            for s, c in drawn[f]
            if s.name == name and "male" not in c
        ]
        lo, hi = wilson(sum(s.presentation for s in plain), len(plain))
        assert lo - 0.02 <= feminine <= hi + 0.02
    said = [s for s, c in drawn["profession"] if "female" in c]
    assert {s.presentation for s in said} == {1}


def test_splits_share_no_held_out_combination_and_no_made_up_word():
    r = Random(3)
    train, test = (
        {made_up_word(r, shape, split) for _ in range(800) for shape in SYLLABLES}
        for split in ("train", "test")
    )
    assert not train & test
    combos = {
        split: {
            (scene.colour, scene.name)
            for scene, caption in (sample(r, ["animal", "object"], split) for _ in range(2000))
            if scene.setting == "studio" and "nice" not in caption
        }
        for split in ("train", "test")
    }
    assert combos["test"]
    assert not combos["train"] & combos["test"]


def test_the_same_seed_gives_the_same_world():
    assert [sample(Random(9)) for _ in range(3)] == [sample(Random(9)) for _ in range(3)]


def test_foreign_letters_are_as_many_as_asked_and_look_latin():
    text = "a photo of a red car"
    for culture in ("borean", "aegean"):
        for letters in range(5):
            other = with_foreign_letters(Random(letters), text, culture, letters)
            assert len(other) == len(text)
            assert sum(a != b for a, b in zip(text, other, strict=True)) == letters


def test_no_caption_speaks_of_minors(drawn):
    minor = set(tables()["minor"])
    for pairs in drawn.values():
        for _, caption in pairs:
            assert not minor & set(caption.lower().replace(",", " ").split())
            assert not forbidden(caption)
