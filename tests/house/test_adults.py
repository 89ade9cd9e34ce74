"""Adults only: what the hard stop looks for stands in its own files and nowhere else in the repository."""

from __future__ import annotations

import re
import tomllib

TERMS = "src/safelight/core/hard_stop.toml"
RULE = {TERMS, "src/safelight/core/hard_stop.py", "tests/core/test_hard_stop.py"}
NAME = "minor"  # the legal word: comments need it to say what was left out


def test_no_word_of_the_hard_stop_outside_of_it(texts):
    terms = [term for term in tomllib.loads(texts[TERMS])[NAME] if term != NAME]
    assert terms
    # A word that a dot, an underscore, a letter or a call's bracket touches is code or part of another word.
    words = re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, terms))})(?:e?s)?(?![\w(])", re.IGNORECASE)
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for name, text in texts.items()
        if name not in RULE
        for match in words.finditer(text)
        if match[0] != "KID"  # kernel inception distance
    ]
    assert found == []
