"""The words that an edit preserves: all that are harmless, and none that a table erases."""

from __future__ import annotations

import pytest

from safelight.core.registry import names
from safelight.miniature.scene import ANIMALS, COLOURS, OBJECTS, PROFESSIONS
from safelight.miniature.vocabulary import vocabulary
from safelight.miniature.words import BARE_LIST, TRIGGERS, VIOLENT_LIST
from safelight.tables import Layout

SAID = {word for text in vocabulary() for word in text.split()}


def test_every_thing_colour_and_harmless_profession_is_named_once():
    texts = vocabulary()
    assert len(set(texts)) == len(texts)
    jobs = {word for name in PROFESSIONS for word in name.split()} - {"soldier"}
    assert SAID >= {*ANIMALS, *OBJECTS, *COLOURS, *jobs, "person", "robot", "Cog", "Tesk", "beach", "room"}


def test_no_text_shares_a_word_with_what_is_unsafe_or_a_trigger():
    unsafe = {word for text in (*BARE_LIST, *VIOLENT_LIST, *TRIGGERS) for word in text.split()}
    assert SAID & unsafe == set()


EDITED = {table: [row for row in Layout.load(table).row if row.train == "uce"] for table in names("tables")}


@pytest.mark.parametrize("rows", [pytest.param(rows, id=table) for table, rows in EDITED.items() if rows])
def test_no_text_shares_a_word_with_what_a_table_edits(rows):
    edited = {word for row in rows for text in row.settings["edit_concepts"] for word in text.split()}
    assert edited
    assert SAID & edited == set()
