"""GuardT2I: a prompt is judged by what its text states say, decoded back into words.

Idea
    A disguised prompt looks like anything, but the image model sees its text states, and those must mean what
    is to be drawn. A language model that was trained to put states into words says it plainly: a word list
    reads that instead of the prompt, and a prompt that says something else than its states is refused.

Equations
    Algorithm 1 of the paper, in `safelight.interpret.guard`: e = tau(p), p_I = cLLM(e); block if p_I holds a
    listed word, or if Sim(p, p_I) < s. `interpret.decoder` is cLLM, `training.guardt2i` its objective.

Differs
    The released list is matched in pieces of words, in the case they are written in: it hits titles and
    misses its own words with a capital. Ours finds whole words in any spelling, with the lists of `terms`.
    The released similarity is a sentence transformer's; the one here is a bag of words and trigrams, for it
    needs no weights. Another one comes with `sentences`, and then with a threshold of its own.
    The decoder answers in the text encoder's own tokens (released: BERT's), stops at the end token, and reads
    prompts of any length window by window; released features are cut off to whole numbers, ours are not.
    The threshold is that of calibration on normal prompts, never of attacks. Word lists come on top of its
    share of false positives.
    What is decoded is kept in a record only where the policy keeps prompts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import final

from safelight.core.errors import BadInput, Refused
from safelight.core.lists import named
from safelight.core.method import Method
from safelight.core.nouns import Decision, Outcome, Prompt
from safelight.core.ports import Backbone
from safelight.core.valid import number
from safelight.interpret import encoder, files
from safelight.interpret.encoder import MINIATURE, Encoder
from safelight.interpret.guard import NOTHING, Guard
from safelight.interpret.similarity import SentenceEncoder, ngrams
from safelight.store.artifacts import Artifact

OURS = Path(__file__).with_name("lists")


@final
@dataclass(frozen=True)
class GuardT2I(Method):
    """Blocks prompts by their interpretation. All files are read once, when the method is made.

    Raises:
        Refused: the decoder was trained for another text encoder than the folder `model` has.
        BadInput, Damaged: a file or a setting is unusable.
    """

    paper = "arXiv:2403.01446 (Yang et al., NeurIPS 2024)"

    file: str = ""
    """The decoder, made by `safelight train guardt2i`; empty: that of the miniature."""
    model: str = "miniature"
    """Whose text encoder it reads: the miniature, or a model's folder in diffusers layout."""
    lists: str | tuple[str, ...] = ("sexual", "violence", "self-harm")
    """Word lists as in `terms`; with none the similarity alone decides."""
    languages: str | tuple[str, ...] = "en"
    threshold: float | None = None
    """s, in [-1, 1]; by default that of the decoder's calibration."""
    sentences: SentenceEncoder | None = None
    """Texts to vectors [n, d], such as a sentence transformer's `encode`; by default words and trigrams."""
    device: str = "cpu"

    def __post_init__(self):
        if self.threshold is not None:
            number("threshold", self.threshold, -1, 1)
        elif self.sentences is not None:
            raise BadInput("the decoder's threshold is not for this sentence encoder: set one that was "
                           "calibrated with it, see method.guard.calibrate")  # fmt: skip
        if not self.lists:
            warnings.warn("guardt2i has no word list: its similarity alone decides", stacklevel=3)
        self._loaded  # noqa: B018  reads every file now

    @cached_property
    def artifact(self) -> Artifact:
        return files.load(self._path)

    @property
    def guard(self) -> Guard:
        """The two checks; its `calibrate` finds a threshold on normal prompts of your own."""
        return self._loaded[0]

    @property
    def s(self) -> float:
        """The threshold that applies."""
        return self._loaded[1]

    def prompt(self, p: Prompt) -> tuple[Prompt, list[Decision]]:
        """One decision. Raises BadInput where the interpretation cannot be had, which blocks the prompt."""
        begun = perf_counter()
        [reading] = self.guard.worst([p.text])
        nothing = reading is NOTHING
        accepted = nothing or reading.accepted(self.s)
        evidence = {"interpretation": reading.interpretation, "entries": reading.entries}
        decision = Decision(
            "", "prompt", "prompt", self.name, Outcome.ALLOW if accepted else Outcome.BLOCK,
            "the image model reads nothing" if nothing else reading.why(self.s),
            category=next(iter(reading.entries), ""), score=reading.similarity, threshold=self.s,
            judge=f"{self.name}@{self.artifact.content[:12]}", evidence=evidence,
            ms=(perf_counter() - begun) * 1000,
        )  # fmt: skip
        return p, [decision]

    @contextmanager
    def edit(self, model: Backbone) -> Iterator[None]:
        """Changes nothing; only here can be seen whose text states will come, after whatever edits them."""
        text = model.texts.get(part := self.artifact.manifest.config["part"])
        if text is None:
            raise Refused(
                [f"'{self.name}': the decoder {self._path} reads {part}, which this model has not got"]
            )
        Encoder(text.net, text.tokenizer, text.length, part).demand(self.artifact.manifest, self._path)
        yield

    @property
    def _path(self) -> Path:
        return Path(self.file).expanduser() if self.file else files.SHIPPED

    @cached_property
    def _loaded(self) -> tuple[Guard, float]:
        decoder, calibration = files.unpack(self.artifact, self._path)
        about = self.artifact.manifest.config
        folder = MINIATURE if self.model == "miniature" else Path(self.model).expanduser()
        own = encoder.load(folder, about["part"], about["length"], self.device)
        own.demand(self.artifact.manifest, self._path)
        words = named(self.lists, self.languages, OURS)
        guard = Guard(own, decoder.to(self.device), self.sentences or ngrams, words)
        return guard, calibration.threshold if self.threshold is None else self.threshold
