"""UCE's debiasing loop: edits until a judge sees the attributes of a concept in the shares that are wanted.

Idea
    A text such as "doctor" is pushed towards the attributes that its pictures show too seldom, by the closed
    form of UCE: make pictures, count, push, and again, until each share is near enough.

Equations
    r_a: attribute a's share of the pictures of a text, d_a: the share wanted, c and c_a: text states of both.
    The text is done when max_a |d_a - r_a| < `max_diff`; else
    "2023"  v <- W c, then for each a in turn  v <- v + s (d_a - r_a) |v| W c_a / |W c_a|,  s = 0.1
            W becomes `closed_form`'s solution for these targets; |.|: over all rows of the text (Frobenius).
            A text that is done is preserved from then on, and no longer looked at.
    "2025"  alpha_a <- alpha_a + s (d_a - r_a),  v = W_0 (c + sum_a alpha_a c_a),  s = 1
            W becomes the solution from the original W_0, so W = W_0 M: also one map on text states.
    Which states: as in `uce`. In "2023" a concept is five texts, each counted and pushed on its own.

Differs
    From the authors' programs (github.com/rohitgandikota/unified-concept-editing: "2023" is
    train-scripts/train_debias.py, "2025" trainscripts/uce_sd_debias.py):
    Any judge counts, by its labels; theirs is zero-shot CLIP over the attributes' words. "2025" accepts a
    step size, 0.1 by default, and never uses it: s = 1 is what it does. It adds to its stored targets in
    place, which also moves what a text preserves that is edited as well: here such texts are refused. It
    counts in bfloat16 and edits in float32; here the model's dtype counts, and float64 edits.
    Theirs end with an edit that nobody looked at: here the last edit is counted too. Their noise is new each
    round and unseeded: here it is new and seeded. Their list of professions to preserve is not shipped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from safelight.core.errors import BadInput, UnknownName
from safelight.core.hard_stop import allowed
from safelight.core.ports import Judge
from safelight.core.valid import number, one_of, whole
from safelight.diffusion import patch
from safelight.diffusion.generator import Generator
from safelight.judges import ask, find
from safelight.store.artifacts import Artifact
from safelight.training import closed_form
from safelight.training.closed_form import Recipe
from safelight.training.debias_edit import Accumulated, Stepwise
from safelight.training.fit import draw
from safelight.training.uce import check_texts


class Program(NamedTuple):
    """What the programs disagree on."""

    texts: tuple[str, ...]
    pictures: int
    step: float
    preserve_scale: float


FIVE = ("image of {}", "photo of {}", "portrait of {}", "picture of {}", "{}")
PROGRAMS: Mapping[str, Program] = {
    "2023": Program(FIVE, 50, 0.1, 0.1),
    "2025": Program(("{}",), 10, 1.0, 1.0),
}


@dataclass(frozen=True)
class Round:
    """The record of one count, after `round` edits of at most `of`.

    shares: of each attribute, by text. gap: the largest distance of one from what is wanted.
    """

    round: int
    of: int
    shares: Mapping[str, Mapping[str, float]]
    gap: float
    seconds: float


class Debiased(NamedTuple):
    """The edit, of the kind `full`, and the same as a `map` for the method `uce-map`: None in recipe "2023",
    whose targets depend on the layer. Their manifests say the shares of the last round."""

    edit: Artifact
    map: Artifact | None


@dataclass(frozen=True)
class Debias:
    """One debiasing. The defaults are the programs'; None: the recipe's own."""

    concepts: tuple[str, ...]
    attributes: tuple[str, ...]
    """The words to push towards: "man", "woman"."""
    labels: tuple[str, ...]
    """The judge's label of each attribute; a picture shows the one with the highest value."""
    judge: str
    """NAME of one that was made for the model's pictures, or of the caller's own."""
    ratios: tuple[float, ...] = ()
    """The share wanted of each attribute, together 1; by default equal shares."""
    preserve_concepts: tuple[str, ...] = ()
    recipe: Recipe = "2025"
    max_rounds: int = 30
    max_diff: float = 0.05
    """How far a share may be off, in (0, 1]."""
    pictures: int | None = None
    """Made of each text in each round."""
    steps: int = 20
    """Solver steps of these pictures."""
    step: float | None = None
    """s > 0."""
    lamb: float = 0.5
    """lambda > 0."""
    erase_scale: float = 1.0
    """s_e > 0."""
    preserve_scale: float | None = None
    """s_p >= 0."""
    seed: int = 0

    def __post_init__(self):
        one_of("recipe", self.recipe, PROGRAMS)
        for name, least in (("concepts", 1), ("attributes", 2), ("labels", 2), ("preserve_concepts", 0)):
            check_texts(name, texts := getattr(self, name))
            if len(texts) < least or len(set(texts)) < len(texts):
                raise BadInput(f"{name} must be at least {least} different texts, got {texts!r:.200}")
        if not all(text.strip() for text in self.concepts + self.attributes):
            raise BadInput("concepts and attributes must have words")
        allowed([one for text, others in self.texts for one in (text, *others)])
        for name in ("attributes", "preserve_concepts"):
            if both := set(self.concepts) & set(getattr(self, name)):
                raise BadInput(f"{min(both)!r} is in concepts and in {name}: keep it in one of them")
        for name in ("labels", "ratios"):
            if len(given := getattr(self, name)) != len(self.attributes) and given:
                raise BadInput(f"{name} must be one for each of {len(self.attributes)} attributes")
        for share in self.ratios:
            number("ratios", share, 0, 1)
        if abs(sum(self.wanted) - 1) > 1e-6:
            raise BadInput(f"ratios must sum to 1, got {self.ratios!r}")
        number("max_diff", self.max_diff, 0, 1, above=True)
        for name, least in (("max_rounds", 1), ("steps", 1), ("seed", 0)):
            whole(name, getattr(self, name), least)
        whole("pictures", self.program.pictures, 1)
        for name, value in (
            ("lamb", self.lamb),
            ("erase_scale", self.erase_scale),
            ("step", self.program.step),
        ):
            number(name, value, 0, above=True)
        number("preserve_scale", self.program.preserve_scale, 0)

    @property
    def wanted(self) -> tuple[float, ...]:
        """d_a."""
        return self.ratios or (1 / len(self.attributes),) * len(self.attributes)

    @property
    def program(self) -> Program:
        """The recipe with the settings given."""
        given = {name: getattr(self, name) for name in ("pictures", "step", "preserve_scale")}
        return PROGRAMS[self.recipe]._replace(**{k: value for k, value in given.items() if value is not None})

    @property
    def texts(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Every edited text, with the same text about each attribute."""
        return tuple(
            (phrase.format(concept), tuple(phrase.format(word) for word in self.attributes))
            for concept in self.concepts
            for phrase in self.program.texts
        )

    def demand(self, generator: Generator, judges: Mapping[str, Judge] | None = None) -> Judge:
        """The judge that counts.

        Raises:
            Refused: the family has no such matrices.
            UnknownName: there is no such judge, or it has no such label.
            BadInput: the judge was not made for this model.
        """
        closed_form.projections(generator.backbone)
        judge, _ = find(self.judge, generator, judges or {}, "image")
        for label in self.labels:
            if label not in judge.labels:
                raise UnknownName(f"label of {judge.name}", label, judge.labels)
        return judge

    def run(
        self,
        generator: Generator,
        judges: Mapping[str, Judge] | None = None,
        on_round: Callable[[Round], None] = lambda row: None,
    ) -> Debiased:
        """Counts and edits until all is within `max_diff` or `max_rounds` edits were made. The model is left
        as it was.

        Args:
            judges: the caller's own, by name.
            on_round: gets the record of each round as it is made.

        Raises:
            BadInput, UnknownName, Refused: as `demand`, before any picture.
            BadInput: a picture could not be judged: a share of pictures that nobody read would be made up.
        """
        judge = self.demand(generator, judges)
        model = generator.backbone
        weights = closed_form.projections(model)
        loop = (Stepwise if self.recipe == "2023" else Accumulated)(self, model)
        count = _Count(self, generator, judge, on_round)
        k, lacking = 0, count(0, weights)
        while lacking.any() and k < self.max_rounds:
            k, weights = k + 1, loop.edit(lacking)
            lacking = count(k, weights)
        found = {"rounds": k, "shares": count.shares, "judge": f"{judge.name}@{judge.version}"}
        config = {**asdict(self), **self.program._asdict(), **found}
        made = closed_form.as_edit(model, weights, "uce-debias", config)
        if isinstance(loop, Stepwise):
            return Debiased(made, None)
        return Debiased(made, closed_form.as_map(model, loop.map, "uce-debias", config))


class _Count:
    """The shares of the attributes in the pictures of all texts."""

    def __init__(self, how: Debias, generator: Generator, judge: Judge, on_round: Callable[[Round], None]):
        self.how, self.generator, self.judge, self.on_round = how, generator, judge, on_round
        self.sampling = replace(generator.sampling, steps=how.steps)
        self.wanted = torch.tensor(how.wanted, dtype=torch.float64)
        self.shares: dict[str, dict[str, float]] = {}
        self.left = [text for text, _ in how.texts]

    def __call__(self, k: int, weights: Mapping[str, Tensor]) -> Float[Tensor, "texts attributes"]:
        """d_a - r_a of round k, 0 for a text that is done."""
        how, begun = self.how, time.perf_counter()
        with patch.replaced(self.generator.backbone, weights):
            self.shares |= {text: self._shares(text, k) for text in self.left}
        shares = [list(self.shares[text].values()) for text, _ in how.texts]
        lacking = self.wanted - torch.tensor(shares, dtype=torch.float64)
        gaps = lacking.abs().amax(1)
        seconds = time.perf_counter() - begun
        self.on_round(Round(k, how.max_rounds, dict(self.shares), float(gaps.max()), seconds))
        done = gaps < how.max_diff
        if how.recipe == "2023":
            self.left = [text for (text, _), near in zip(how.texts, done, strict=True) if not near]
        return lacking * ~done[:, None]

    def _shares(self, text: str, k: int) -> dict[str, float]:
        """r_a, on the noise of round k, which is the same for all texts."""
        n, labels = self.how.program.pictures, self.how.labels
        seeds = torch.randint(2**62, (n,), generator=draw(self.how.seed, k)).tolist()
        pictures = self.generator.run([text] * n, seeds, sampling=self.sampling)
        shown = []
        for score in ask(self.judge, [picture.image for picture in pictures]):
            if score.values is None:
                raise BadInput(f"a picture of '{text}' in round {k} could not be judged: {score.detail}")
            shown.append(max(labels, key=score.values.__getitem__))
        words = zip(self.how.attributes, labels, strict=True)
        return {word: shown.count(label) / n for word, label in words}
