"""Judge, localise, edit: a picture that a judge finds immoral is changed where it is, and judged again.

Idea
    A picture need not be lost for one part of it. Find the pixels that the judgement comes from by hiding
    random parts, or the words by leaving them out; change these and nothing else; and release the result only
    if the same judge is content with it.

Equations
    f: the judge's fused value, in its units; tau: its threshold.
    S(x, y), T(w): `safelight.localise.pixels`, `safelight.localise.words`.
    region = the `share` of pixels with the highest S, without specks, grown by 3 % of the short side
    accepted = f(new) < tau and f(new) <= f(old) - gain: `_accepted`.
    The edits, in the order of the ladder, until one is accepted:
    words: the words of highest T replaced until f(prompt) < tau, and the picture drawn again on its noise.
    inpaint: the region drawn anew, under the policy's methods, for the reworded prompt if there is one.
    blur: a Gaussian of `sigma` times the short side, in the region only.

Differs
    Only the paper's abstract and introduction were at hand: ladder, thresholds and accept rule are ours.
    It edits pictures by captions as well, with pretrained editing models; here is no such step.
    Words are replaced from a list, not by a language model; alternatives that the judge of the words does not
    accept are not drawn. Inpainting needs no inpainting model (`safelight.diffusion.inpaint`).
    Outside of the region inpainting and blur leave every pixel as it was, but for a soft edge.
    The judge that accepts is the judge that localised, so an edit may please it and nobody else: put an image
    check with another judge behind it. What no edit repairs is blocked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import Any, Literal, final

import numpy as np
from jaxtyping import Bool

from safelight.core.errors import BadInput, UnknownName
from safelight.core.method import Method
from safelight.core.nouns import Decision, Outcome, Prompt
from safelight.core.ports import Studio
from safelight.core.valid import number, whole
from safelight.localise import Value, value_of
from safelight.localise.pixels import Saliency, saliency
from safelight.localise.region import blurred, region, within
from safelight.localise.words import reworded

EDITS = ("words", "inpaint", "blur")


@final
@dataclass(frozen=True)
class JudgeLocaliseEdit(Method):
    """Repairs pictures that a judge finds unsafe, and blocks those that it cannot repair."""

    paper = "arXiv:2212.03507"

    judge: str = "immorality"
    """NAME[:PRESET]. For the edit "words" it must read texts too."""
    edits: tuple[Literal["words", "inpaint", "blur"], ...] = EDITS
    """The ladder."""
    masks: int = 200
    """N: the judge looks at so many masked copies of a picture to localise."""
    share: float = 0.2
    """Of the pixels, in (0, 1)."""
    largest: float = 0.7
    """A region of more than this share of the picture is not edited: nothing would be left of it."""
    sigma: float = 0.25
    """Of the blur, in shares of the short side: no outline is left of a region. A weaker one deceives the
    judge before it hides anything."""
    gain: float = 0.1
    """By how much f must fall, in the judge's units."""
    tries: int = 2
    """Pictures that "words" and "inpaint" draw at most, each on noise of its own."""
    alternatives: tuple[str, ...] = ("clothed", "peaceful", "")
    """What a word may be replaced by; "" leaves it out."""

    def __post_init__(self):
        for edit in self.edits:
            if edit not in EDITS:
                raise UnknownName("edit", edit, EDITS)
        if not self.edits or len(set(self.edits)) < len(self.edits) or not self.alternatives:
            raise BadInput(f"edits and alternatives must not be empty, nor edits repeat; got {self.edits}")
        whole("masks", self.masks, 8)
        whole("tries", self.tries, 1)
        for name in ("share", "largest", "sigma"):
            number(name, getattr(self, name), 0, 1, above=True)
        number("gain", self.gain, 0)

    def asks(self) -> tuple[str, ...]:
        return (self.judge,)

    def image(self, image: Any, p: Prompt, ctx: Studio) -> tuple[Any, list[Decision]]:
        """Raises Unjudged where the judge fails; then the picture is blocked."""
        begun = perf_counter()
        judge, preset = ctx.judge(self.judge)
        case = _Case(self, image, p, ctx, value_of(judge, preset), preset.threshold)
        before, tried = float(case.value([image])[0]), []
        said = Decision(
            "", "image", "image", self.name, Outcome.ALLOW, f"{before:.3f} is below {preset.threshold:g}",
            score=before, threshold=preset.threshold, judge=f"{judge.name}@{judge.version}",
        )  # fmt: skip
        kept = image
        if before >= preset.threshold:
            kept, said = self._repaired(case, before, tried, said)
        ms = (perf_counter() - begun) * 1000
        return kept, [replace(said, evidence={"before": before, "tried": tried} | case.found, ms=ms)]

    def _repaired(
        self, case: _Case, before: float, tried: list[dict[str, Any]], said: Decision
    ) -> tuple[np.ndarray, Decision]:
        """The first edit that is accepted, or the picture as it was and a decision that blocks it."""
        for edit in self.edits:
            for new in getattr(case, edit)():
                after = None if new is None else float(case.value([new])[0])
                tried.append({"edit": edit, "score": after})
                if new is not None and after is not None and self._accepted(before, after, case.threshold):
                    reason = f"{edit} brought it from {before:.3f} to {after:.3f}"
                    return new, replace(said, outcome=Outcome.REPAIR, reason=reason, score=after)
        why = f"{before:.3f} reaches {case.threshold:g}, and none of {', '.join(self.edits)} repaired it"
        return case.image, replace(said, outcome=Outcome.BLOCK, reason=why)

    def _accepted(self, before: float, after: float, threshold: float) -> bool:
        return after < threshold and after <= before - self.gain


@dataclass(frozen=True)
class _Case:
    """One unsafe picture; what is found out about it is found out once, and only if an edit needs it."""

    method: JudgeLocaliseEdit
    image: np.ndarray
    prompt: Prompt
    ctx: Studio
    value: Value
    threshold: float

    @cached_property
    def saliency(self) -> Saliency:
        return saliency(self.value, self.image, self.method.masks, self.ctx.seed)

    @cached_property
    def where(self) -> Bool[np.ndarray, "h w"]:
        return region(self.saliency.map, self.method.share)

    @cached_property
    def text(self) -> str | None:
        return reworded(self.value, self.prompt.text, self.threshold, self.method.alternatives)

    @property
    def found(self) -> dict[str, Any]:
        """Of what was found: the region's share of the picture, and how far it can be trusted."""
        if "saliency" not in vars(self):
            return {}
        return {"area": float(self.where.mean()), "stability": self.saliency.stability}

    @property
    def editable(self) -> bool:
        return 0 < self.where.mean() <= self.method.largest

    def words(self) -> Iterator[np.ndarray | None]:
        if self.text is not None:
            for k in range(self.method.tries):
                yield self.ctx.draw(replace(self.prompt, text=self.text), k)

    def inpaint(self) -> Iterator[np.ndarray | None]:
        if self.editable:
            reword = "words" in self.method.edits and self.text is not None
            prompt = replace(self.prompt, text=self.text) if reword else self.prompt
            for k in range(self.method.tries):
                new = self.ctx.inpaint(self.image, self.where, prompt, k)
                yield None if new is None else within(self.image, new, self.where)

    def blur(self) -> Iterator[np.ndarray | None]:
        if self.editable:
            yield within(self.image, blurred(self.image, self.method.sigma), self.where)
