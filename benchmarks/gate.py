"""What the string tiers of the prompt gate cost and catch, as Markdown.

    python benchmarks/gate.py [--prompts FILE] [--rounds 3]

1. Milliseconds a prompt through the hard stop, normalise, modifiers and terms, 95th percentile (goal: 1). The
   prompts are built from the miniature's styles and common modifiers, up to 77 tokens, every fifth in foreign
   letters; or the lines of a file. Each prompt's fastest round counts, for the machine may be busy. The
   interval is the bootstrap's over prompts.
2. Share of disguised terms of the shipped English lists that are found (goal: 100 %): each single-code-point
   look-alike of Unicode's table whose skeleton is one ASCII letter, zero widths and directions, leet.
3. Share of words (characters for Chinese and Japanese) that normalise changes in clean text of other
   languages (goal: below 0.1 %): the words of CLDR's locale data, which the package babel carries, and the
   50,000 most frequent words with letters beyond ASCII in the dictionaries of the package wordfreq. What
   changes in these is mostly misprints of their own, words half in Latin letters. Beside it the share that
   checks read otherwise as well, which has no goal, and how many terms finds.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from statistics import median
from string import ascii_letters
from time import perf_counter
from typing import Any

import numpy as np
from confusable_homoglyphs.confusables import confusables_data

from safelight.benchmark import ruled, spelled
from safelight.core.hard_stop import hard_stop
from safelight.core.intervals import Figure, percentiles, wilson
from safelight.core.nouns import Prompt
from safelight.core.plain import clean, skeleton
from safelight.core.spelling import LEET
from safelight.methods.prompt.modifiers import Modifiers
from safelight.methods.prompt.normalise import Normalise
from safelight.methods.prompt.terms import Terms
from safelight.miniature.words import GLYPHS, STYLE_FORMS

LANGUAGES = {
    "ru": "Russian", "el": "Greek", "ar": "Arabic", "hi": "Hindi", "zh": "Chinese", "ja": "Japanese",
    "ko": "Korean", "uk": "Ukrainian", "he": "Hebrew", "fa": "Persian", "th": "Thai", "tr": "Turkish",
    "vi": "Vietnamese", "de": "German",
}  # fmt: skip
NO_SPACES = ("zh", "ja")
FREQUENT = 50_000
RESAMPLES = 1000
HIDDEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069"
BOOSTERS = "highly detailed, 8k, sharp focus, trending on artstation, cinematic lighting, by Ann, (best:1.2)"
WORDS = 45  # with commas about 77 tokens of CLIP


def main() -> None:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--prompts", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    lines = asked.prompts.read_text(encoding="utf-8").splitlines() if asked.prompts else list(built(1000))
    speed([Prompt(" ".join(line.split()[:WORDS])) for line in lines if line.strip()], asked.rounds)
    caught()
    clean_text()


def speed(prompts: Sequence[Prompt], rounds: int) -> None:
    """Times of each tier, and of all together, prompt by prompt."""
    normalise, modifiers, terms = Normalise(), Modifiers(), Terms()
    tiers: dict[str, Callable[[Prompt], Any]] = {
        "hard stop": hard_stop,
        "normalise": lambda p: normalise.views(normalise.prompt(p)[0]),
        "modifiers": lambda p: (modifiers.prompt(p), modifiers.views(p)),
        "terms": terms.prompt,
    }
    hard_stop(Prompt("é"))  # compiles the patterns, loads the tables
    terms.prompt(Prompt("é"))
    best: dict[str, list[float]] = {name: [float("inf")] * len(prompts) for name in (*tiers, "all")}
    for _ in range(rounds):
        for k, prompt in enumerate(prompts):
            times = {}
            for name, tier in tiers.items():
                begun = perf_counter()
                tier(prompt)
                times[name] = 1000 * (perf_counter() - begun)
            times["all"] = sum(times.values())
            for name, ms in times.items():
                best[name][k] = min(best[name][k], ms)
    lines = [[name, p95(ms), f"{median(ms):.3f}"] for name, ms in best.items()]
    print(ruled(["tier", "ms a prompt, 95th percentile", "median"], lines))
    print(f"\n{len(prompts)} prompts, the fastest of {rounds} rounds on one thread; goal: all below 1 ms.\n")


def p95(ms: Sequence[float]) -> str:
    drawn = np.random.default_rng(0).choice(ms, (RESAMPLES, len(ms)))
    lo, hi = percentiles(np.percentile(drawn, 95, axis=1))
    value = float(np.percentile(ms, 95))
    return spelled(Figure(value, lo, hi, len(ms), len(ms), "bootstrap", 0), share=False)


def caught() -> None:
    terms, lines = Terms(), []
    for name, variants in disguises(terms).items():
        found = [bool(terms.prompt(Prompt(f"a photo of {v} at home"))[1][0].evidence) for v in variants]
        lines.append([name, rate(found), str(len(found))])
    print(ruled(["disguise of listed terms", "found", "n"], lines))
    print("\n95 % Wilson intervals; goal: 100 %.\n")


def disguises(terms: Terms) -> dict[str, Iterable[str]]:
    """The English terms of the lists, by how they are disguised."""
    english = [term for words in terms.loaded for term in words.terms["en"]]
    return {
        "look-alikes": look_alikes(english),
        "zero-width and direction": (h.join(term) for term in english for h in HIDDEN),
        "leet, one letter": leet(english),
        "leet, all letters": ("".join(LEET.get(c, c)[0] for c in term) for term in english),
    }


def clean_text() -> None:
    lines = []
    for code, language in LANGUAGES.items():
        finds = Terms(languages=("en", code) if code in ("ru", "zh", "ja", "de") else "en")
        for source, words in clean_words(code).items():
            changed = rate([clean(word)[0] != word for word in words])
            read = rate([skeleton(word) != word for word in words])
            hit = sum(bool(finds.prompt(Prompt(word))[1][0].evidence) for word in words)
            what = f"{len(words)} {'characters' if code in NO_SPACES else 'words'}"
            lines.append([language, source, what, changed, read, str(hit)])
    header = [
        "language",
        "words of",
        "n",
        "changed in what is drawn",
        "read otherwise as well",
        "terms found",
    ]
    print(ruled(header, lines))
    print("\n95 % Wilson intervals; goal: less than 0.1 % changed.")


def clean_words(code: str) -> dict[str, list[str]]:
    """A language's words, or characters, by where they are from."""
    import babel.localedata as cldr

    wordfreq: Any = import_module("wordfreq")  # 55 MB, and in no other use
    sources: dict[str, Iterable[str]] = {"CLDR": texts(cldr.load(code, merge_inherited=False), code)}
    if code in wordfreq.available_languages("best"):
        own = (word for word in wordfreq.iter_wordlist(code, "best") if any(map(foreign, word)))
        sources["wordfreq"] = units(islice(own, FREQUENT), code)
    return {source: sorted(set(words)) for source, words in sources.items()}


def foreign(c: str) -> bool:
    return c.isalpha() and not c.isascii()


def rate(hits: Sequence[bool]) -> str:
    lo, hi = wilson(sum(hits), len(hits))
    return f"{100 * sum(hits) / len(hits):.3f} % [{100 * lo:.3f}, {100 * hi:.3f}]"


def units(words: Iterable[str], code: str) -> Iterable[str]:
    """Words, or the characters of languages that are written without spaces."""
    return chain.from_iterable(words) if code in NO_SPACES else words


def texts(value: Any, code: str) -> Iterator[str]:
    """Words of the locale's own script in everything that a locale's data says, patterns left out."""
    if isinstance(value, dict):
        for one in value.values():
            yield from texts(one, code)
    elif isinstance(value, str) and not re.search(r"[{}#¤]|[a-zA-Z]'|''", value):
        words = re.findall(r"[^\s\d,.;:!?()\[\]/'’\"«»+-]+", value)
        yield from units([word for word in words if any(map(str.isalpha, word))], code)


def look_alikes(terms: Sequence[str]) -> Iterator[str]:
    """Each look-alike once in each place of the first term that has its letter."""
    for key, twins in confusables_data.items():
        c = key.strip("\u200e")  # which the package keeps round letters written from right to left
        letter = next((twin["c"].lower() for twin in twins if twin["c"] in tuple(ascii_letters)), None)
        term = next((term for term in terms if letter and letter in term), None)
        if len(c) == 1 and not c.isascii() and term:
            yield from (term[:k] + c + term[k + 1 :] for k, x in enumerate(term) if x == letter)


def leet(terms: Sequence[str]) -> Iterator[str]:
    for term in terms:
        for k, letter in enumerate(term):
            yield from (term[:k] + sign + term[k + 1 :] for sign in LEET.get(letter, ""))


def built(n: int) -> Iterator[str]:
    rng = random.Random(0)
    forms = [form for style in STYLE_FORMS.values() for form in style]
    things = [
        "a red car in a city",
        "an old house by the sea",
        "two birds on a tree",
        "a doctor at night in a park",
    ]
    for k in range(n):
        text = ", ".join(rng.choice(forms).format(rng.choice(things)) for _ in range(rng.randint(1, 4)))
        text += ", " + ", ".join(rng.sample(BOOSTERS.split(", "), rng.randint(0, 6)))
        yield text if k % 5 else text.translate(str.maketrans(GLYPHS["borean"]))


if __name__ == "__main__":
    main()
