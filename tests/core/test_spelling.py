from __future__ import annotations

import re

import pytest

from safelight.core.spelling import TIGHT_GAP, alternatives, shortened, whole


def found(terms, text, gap=TIGHT_GAP):
    return [hit[0] for hit in whole(alternatives(terms, gap)).finditer(shortened(text))]


def test_terms_that_share_a_beginning_are_all_found():
    terms = ["gun", "gunman", "gun fight", "gut"]
    assert found(terms, "gun gunman, gunfight, gun  fight; gut guts gu gunm") == [
        "gun", "gunman", "gunfight", "gun  fight", "gut", "guts",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["6un", "g*n", "g.u.n", "gguunn", "guuuuuuun", "guns", "gun5", "g__u--n"])
def test_spellings(text):
    assert found(["gun"], text) == [shortened(text)]


@pytest.mark.parametrize("text", ["begun", "gunny", "g", "g u n", "hug under", "ggggggg"])
def test_what_is_not_the_term(text):
    assert found(["gun"], text) == []


def test_long_runs_become_short_ones():
    assert shortened("a" * 50 + "b" + " ." * 50 + "c") == "aaab . . .c"
    assert shortened("猫が好きで犬も好きです") == "猫が好きで犬も好きです"


def test_signs_in_a_term_are_signs():
    assert found(["c++"], "a.b c++ ccc", gap="") == ["c++"]
    assert re.search(alternatives(["🔫"]), "🔫")
