"""Word lists: one category of terms as a data file, and the terms of it that a text holds.

Idea: terms are found as whole words in any spelling (`spelling`), in the text as a reader takes it
(`lookalike.fold`), spaced-out letters drawn together, and in the names of its emoji. A term inside an allowed
phrase is none.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from safelight.core.errors import BadInput, Refused, UnknownName, nearest
from safelight.core.lookalike import emoji, fold
from safelight.core.spelling import TIGHT_GAP, alternatives, shortened, whole

SCHEMA = 1
KEYS = ("schema", "category", "terms", "allow")
LETTER = r"[^\W\d_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
"""A letter that words end at: all but those of scripts that are written without spaces."""
SIGN = r"[\w@$!|+*(]"
SPACED = re.compile(rf"(?<!{SIGN}){SIGN}(?:[^\w@$!|+*(]{{1,7}}{SIGN}(?!{SIGN})){{2,}}")
"""Three single letters or more, such as "w o r d"; what stands for a letter counts as one."""


@dataclass(frozen=True)
class WordList:
    """Terms of a category by language, and the phrases in which they mean something else."""

    category: str
    terms: Mapping[str, tuple[str, ...]]
    allow: tuple[str, ...] = ()

    def found(self, text: str, allow: Iterable[str] = ()) -> list[str]:
        """The terms that a text holds, by language and place in the list ("en 3"): no word is repeated.

        allow: more phrases in which a term is none.
        """
        # A capital may look Latin where its small letter does not: it is read as itself and as the small one.
        plain = {shortened(fold(form)) for form in (text, text.lower(), ", ".join(emoji(text))) if form}
        spaced = {SPACED.sub(lambda run: "".join(run[0].split()), form) for form in plain}
        hits = {hit for reading in plain | spaced for hit in self._hits(reading, (*self.allow, *allow))}
        return [entry for entry, one in self._each.items() if any(one.fullmatch(hit) for hit in hits)]

    def _hits(self, plain: str, allow: tuple[str, ...]) -> list[str]:
        excused = [phrase.span() for phrase in _phrases(allow).finditer(plain)]
        return [
            hit[0]
            for hit in self._all.finditer(plain)
            if not re.fullmatch(r"[\d\W_]*\d[\d\W_]*", hit[0])
            and not any(a <= hit.start() and hit.end() <= b for a, b in excused)
        ]

    @cached_property
    def _all(self) -> re.Pattern[str]:
        return _pattern(term for terms in self.terms.values() for term in terms)

    @cached_property
    def _each(self) -> dict[str, re.Pattern[str]]:
        entries = ((name, k, t) for name, terms in self.terms.items() for k, t in enumerate(terms, 1))
        return {f"{language} {k}".strip(): _pattern([term]) for language, k, term in entries}


def load(path: Path) -> WordList:
    """The list in a TOML file, or in a text file with one term a line, whose name is the category.

    Raises:
        BadInput: it cannot be read.
        Refused: with every problem of its content.
    """
    try:
        text = path.expanduser().read_text(encoding="utf-8")
        table = tomllib.loads(text) if path.suffix == ".toml" else _plain(path, text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"the word list {path} cannot be read: {error}") from error
    if problems := _problems(table):
        raise Refused([f"word list {path}: {problem}" for problem in problems])
    allow = (phrase for phrases in table.get("allow", {}).values() for phrase in phrases)
    return WordList(table["category"], {k: tuple(v) for k, v in table["terms"].items()}, tuple(allow))


def named(
    names: str | tuple[str, ...], languages: str | tuple[str, ...], folder: Path
) -> tuple[WordList, ...]:
    """Lists of `folder` by name, or of files, without the terms of languages that were not asked for.

    Raises:
        UnknownName: there is no such list, or it has none of the languages.
    """
    return tuple(_named(name, several(languages), folder) for name in several(names))


def several(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """One text, or several, as several."""
    return (value,) if isinstance(value, str) else value


def _named(name: str, languages: tuple[str, ...], folder: Path) -> WordList:
    path = Path(name) if name.endswith((".toml", ".txt")) else folder / f"{name}.toml"
    if path.parent == folder and not path.is_file():
        raise UnknownName("word list", name, (file.stem for file in folder.glob("*.toml")))
    words = load(path)
    terms = {language: t for language, t in words.terms.items() if language in (*languages, "")}
    if not terms:
        raise UnknownName(f"language of the word list {name}", ", ".join(languages), words.terms)
    return replace(words, terms=terms)


def _plain(path: Path, text: str) -> dict[str, Any]:
    terms = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {"schema": SCHEMA, "category": path.stem, "terms": {"": terms}}


def _problems(table: Mapping[str, Any]) -> list[str]:
    found = [f"unknown setting '{key}'. {nearest(key, KEYS)}" for key in table if key not in KEYS]
    if table.get("schema") != SCHEMA:
        found.append(f"schema = {table.get('schema')!r}: this release reads schema = {SCHEMA}")
    if not isinstance(table.get("category"), str) or not table["category"]:
        found.append('it needs a category: category = "..."')
    for key in ("terms", "allow"):
        words = table.get(key, {})
        lists = list(words.values()) if isinstance(words, dict) else [words]
        if not all(isinstance(w, list) and all(isinstance(t, str) for t in w) for w in lists):
            found.append(f'[{key}] must hold lists of words by language, such as en = ["..."]')
        elif empty := [t for w in lists for t in w if not _folded(t)]:
            found.append(f"{key}: {empty[0]!r} has nothing that can be found")
    if not table.get("terms"):
        found.append('it needs terms: [terms] en = ["..."]')
    return found


def _folded(term: str) -> str:
    """A term as the tree takes it: folded, one space between words, other marks left out."""
    return " ".join(
        "".join(c for c in fold(word.lower()) if c != "'" and c != "-") for word in term.split()
    ).strip()


def _pattern(terms: Iterable[str]) -> re.Pattern[str]:
    return whole(alternatives(map(_folded, terms), TIGHT_GAP), LETTER)


@cache
def _phrases(allow: tuple[str, ...]) -> re.Pattern[str]:
    """Allowed phrases in plain spelling only: a disguise is never allowed."""
    spelled = (r"[\W_]{1,3}".join(map(re.escape, _folded(phrase).split())) for phrase in allow)
    return whole("|".join(spelled) or "(?!)", LETTER)
