from __future__ import annotations

import pytest

from safelight.core.concepts import CONCEPTS, concept_texts
from safelight.core.errors import BadInput


def test_names_texts_and_several():
    assert concept_texts("nudity") == ("nudity",)
    assert concept_texts("a red car") == ("a red car",)
    assert concept_texts(("bare", "rain")) == (CONCEPTS["bare"], "rain")


def test_the_published_list_is_complete_but_for_one_term():
    assert len(CONCEPTS["sld-19"].split(", ")) == 19
    assert CONCEPTS["sld-19-image"] == f"an image showing {CONCEPTS['sld-19']}"
    assert len(CONCEPTS["i2p-7"].split(", ")) == 7


@pytest.mark.parametrize("concept", ["", "  ", (), ("nudity", ""), (3,), None, 5])
def test_unusable_concepts(concept):
    with pytest.raises(BadInput, match="concept must"):
        concept_texts(concept)
