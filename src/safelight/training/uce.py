"""UCE: Unified Concept Editing, the closed-form edit of the text cross-attention's keys and values.

Idea
    A concept's text reaches the picture only through key and value matrices W. Ask of each that it answers
    the concept as it answers another text, and everything else as before: least squares, solved at once.

Equations
    c_i: text states of the edited concepts, c_i': of their guides, c_j: of preserved texts.
    W_new = argmin_V  lambda |V - W|^2 + s_e sum_i |V c_i - v_i*|^2 + s_p sum_j |V c_j - W c_j|^2
    which `closed_form` solves, once for all layers.
    v_i* = W c_i'                                technique "replace"
    v_i* = W c_i' - <U, W c_i'> U                technique "tensor": U = W c of all the concept's rows, norm 1

    Which states (L tokens a text; e: the place of the last token before the end token):
    "2023"  edited: rows e .. L-1, as many for concept as for guide, aligned at their e: the last word's
            last token, the end token, padding. Preserved: all L rows. The empty text is always preserved.
    "2025"  row e alone, for preserved texts too.

Differs
    From the authors' programs (github.com/rohitgandikota/unified-concept-editing; recipe "2023" is
    train-scripts/train_erase.py, "2025" is trainscripts/uce_sd_erase.py): they invert B in float32 for every
    layer; here weights are cast to their dtype last. Their list of 1,734 artists to preserve is not shipped:
    name what to preserve.
    An empty guide is encoded as a text without words, as theirs. The unconditional row of our loop is all
    zeros in SDXL; the edit leaves zeros at zero.
    `expand_prompts` adds five phrases around each concept, with the concept's guide. The program of 2025 does
    that for as many concepts as there are preserved texts, and preserves the same phrases.
    Lists that contradict themselves are refused, not solved.
    The debiasing loop of both programs is `debias`.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from safelight.core.errors import BadInput, Refused
from safelight.core.ports import Backbone
from safelight.core.valid import number
from safelight.store.artifacts import Artifact
from safelight.training import closed_form
from safelight.training.closed_form import Recipe, aligned, gram, one_map, solved

PHRASES = {
    "art": ("painting by {}", "art by {}", "artwork by {}", "picture by {}", "style of {}"),
    "object": ("image of {}", "photo of {}", "portrait of {}", "picture of {}", "painting of {}"),
    "unsafe": (),
}
CHOICES = {"recipe": ("2023", "2025"), "technique": ("replace", "tensor"), "concept_type": tuple(PHRASES)}


@dataclass(frozen=True)
class UCE:
    """One edit. Erase: no guide. Replace: a guide each. Moderate: several concepts, one empty guide.

    The fields have the names of the authors' programs, the defaults are those of recipe "2025".
    """

    edit_concepts: tuple[str, ...]
    guide_concepts: tuple[str, ...] = ()
    """One for all or one each; by default the empty text, and "art" for art in recipe "2025"."""
    preserve_concepts: tuple[str, ...] = ()
    recipe: Recipe = "2025"
    technique: Literal["replace", "tensor"] = "replace"
    concept_type: Literal["art", "object", "unsafe"] = "object"
    expand_prompts: bool = False
    """Edits five phrases around each concept as well."""
    lamb: float = 0.5
    """lambda > 0: how much of the weights stays, against the squared lengths of text states."""
    erase_scale: float = 1.0
    """s_e > 0."""
    preserve_scale: float | None = None
    """s_p >= 0; by default 1 in "2025", max(0.1, 1 / preserved texts) in "2023"."""

    def __post_init__(self):
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise BadInput(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}")
        number("lamb", self.lamb, 0, above=True)
        number("erase_scale", self.erase_scale, 0, above=True)
        if self.preserve_scale is not None:
            number("preserve_scale", self.preserve_scale, 0)
        for name in ("edit_concepts", "guide_concepts", "preserve_concepts"):
            check_texts(name, getattr(self, name))
        if not self.edit_concepts or not all(text.strip() for text in self.edit_concepts):
            raise BadInput(f"edit_concepts must be one or more texts with words, got {self.edit_concepts!r}")
        for name in ("edit_concepts", "preserve_concepts"):
            if len(set(texts := getattr(self, name))) < len(texts):
                raise BadInput(f"{name} holds a text twice: {texts!r:.200}")
        if both := set(self.edit_concepts) & set(self.preserve_concepts):
            raise BadInput(f"{min(both)!r} is to be edited and preserved: keep it in one of the lists")
        if len(self.guide_concepts) not in (0, 1, len(self.edit_concepts)):
            raise BadInput(
                f"guide_concepts must be one, or one for each of {len(self.edit_concepts)} edit_concepts,"
                f" got {len(self.guide_concepts)}"
            )
        if self.expand_prompts and not PHRASES[self.concept_type]:
            raise BadInput("expand_prompts needs concept_type art or object: there are no phrases for unsafe")
        if idle := [old for old, new in self.pairs if old == new]:
            warnings.warn(f"{idle[0]!r} is its own guide: that edit changes nothing", stacklevel=3)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every edited text with its guide."""
        usual = "art" if (self.recipe, self.concept_type) == ("2025", "art") else ""
        guides = self.guide_concepts or (usual,)
        guides = guides * (len(self.edit_concepts) // len(guides))
        phrases = ("{}", *(PHRASES[self.concept_type] if self.expand_prompts else ()))
        return tuple(
            (phrase.format(old), new)
            for old, new in zip(self.edit_concepts, guides, strict=True)
            for phrase in phrases
        )

    @property
    def preserved(self) -> tuple[str, ...]:
        empty = ("",) if self.recipe == "2023" and "" not in self.preserve_concepts else ()
        return empty + self.preserve_concepts

    def edit(self, model: Backbone) -> Artifact:
        """The edited key and value matrices, an artifact of the kind `full`.

        Raises:
            Refused: the family has no such matrices.
            BadInput: they are wrapped, quantised, or of another width than the text states.
        """
        matrices = closed_form.projections(model)
        system = self._system(model)
        M = one_map(system.c, system.c_new, system.g)
        edited = {}
        for name, weight in matrices.items():
            W = weight.detach().cpu().double()
            edited[name] = W @ M
            if self.technique == "tensor":
                edited[name] -= _along_old(W, system).T @ system.g.T
        return closed_form.as_edit(model, edited, "uce", asdict(self))

    def map(self, model: Backbone) -> Artifact:
        """M [d, d] in float64, an artifact of the kind `map`, for the method `uce-map`.

        Raises:
            Refused: targets depend on the layer, or the family has no such matrices.
            BadInput: the matrices are wrapped, quantised, or of another width than the text states.
        """
        if self.technique == "tensor":
            raise Refused(["technique 'tensor' has other targets in each layer, and no one map: use `edit`"])
        closed_form.projections(model)
        system = self._system(model)
        M = one_map(system.c, system.c_new, system.g)
        return closed_form.as_map(model, M, "uce", asdict(self))

    def _system(self, model: Backbone) -> System:
        """The texts as states, solved for the edited ones."""
        pairs = [aligned(model, pair, self.recipe) for pair in self.pairs]
        c = torch.cat([old for old, _ in pairs])
        kept = gram(model, self.preserved, self.recipe)
        g = solved(c, kept, self.lamb, self.erase_scale, self._preserve_scale)
        return System(c, torch.cat([new for _, new in pairs]), [len(old) for old, _ in pairs], g)

    @property
    def _preserve_scale(self) -> float:
        if self.preserve_scale is not None:
            return self.preserve_scale
        return 1.0 if self.recipe == "2025" else max(0.1, 1 / len(self.preserved))


class System(NamedTuple):
    """Edited states c and their guides' c_new; how many rows each concept has; the g_i as columns."""

    c: Float[Tensor, "k d"]
    c_new: Float[Tensor, "k d"]
    sizes: list[int]
    g: Float[Tensor, "d k"]


def _along_old(W: Float[Tensor, "out d"], system: System) -> Float[Tensor, "k out"]:
    """<U, W c'> U: what technique "tensor" takes off the targets, concept by concept."""
    removed = []
    for c, c_new in zip(system.c.split(system.sizes), system.c_new.split(system.sizes), strict=True):
        U = c @ W.T
        U = U / U.norm()
        removed.append((U * (c_new @ W.T)).sum() * U)
    return torch.cat(removed)


def check_texts(name: str, texts: object) -> None:
    """Raises BadInput unless it is a tuple of texts."""
    if not isinstance(texts, tuple) or not all(isinstance(text, str) for text in texts):
        raise BadInput(f"{name} must be a tuple of texts, got {texts!r:.80}")
