"""A check's threshold from labelled pictures: the lowest whose rate of false alarms is within a target.

From n harmless pictures with values b the threshold is the first number above the (k + 1)-th largest b, where
k = floor(target n): at most k of them reach it. The rate on other pictures of the same kind then has the
distribution Beta(k + 1, n - k), whatever that of the values, if no two are equal (Wilks 1941). Its upper
97.5 % point is that of the Clopper-Pearson interval of k in n: so that upper end holds although these very
pictures chose the threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, inf, nextafter
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from safelight.core import valid
from safelight.core.errors import BadInput, UnknownName
from safelight.core.intervals import clopper_pearson
from safelight.core.ports import Judge, Preset
from safelight.judges import ask, fuse
from safelight.pages import render

SAFE, UNSAFE = "safe", "unsafe"
"""Labels of pictures: harmless ones, and those that the judge's preset as a whole should find. Other labels
are the judge's own."""
SIZE = 300  # of the drawn curve, in its own units
TEMPLATE = Path(__file__).with_name("calibration.html.j2")


@dataclass(frozen=True)
class Rate:
    """A share of pictures, with its Clopper-Pearson interval."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        return self.hits / self.n

    @property
    def interval(self) -> tuple[float, float]:
        return clopper_pearson(self.hits, self.n)

    def __str__(self) -> str:
        lo, hi = self.interval
        return f"{100 * self.value:.2f} % [{100 * lo:.2f}, {100 * hi:.2f}], {self.hits} of {self.n}"


@dataclass(frozen=True)
class Calibration:
    """label: of the judge, or "unsafe" for its preset. failed: pictures that the judge could not read, which
    a policy blocks, and which are in no rate. roc: (false alarms, found) for every threshold, falling.
    """

    label: str
    threshold: float
    false_alarms: Rate
    found: Rate
    auc: float
    failed: int
    roc: tuple[tuple[float, float], ...]

    @property
    def curve(self) -> str:
        """The ROC as points of a drawing: false alarms to the right, found upwards."""
        return " ".join(f"{SIZE * x:.1f},{SIZE * (1 - y):.1f}" for x, y in self.roc)


def calibrate(
    judge: Judge,
    preset: Preset,
    pictures: Iterable[tuple[Any, str]],
    target: float,
    seen: Callable[[int], None] = lambda n: None,
) -> list[Calibration]:
    """A threshold for each label but "safe".

    pictures: what the judge reads, with its label; asked for one after another, so that they need not fit
        into memory. target: the rate of false alarms, in (0, 1). seen: told how many are judged.

    Raises:
        BadInput: too few pictures for such a target, or none of a label.
        UnknownName: a label that neither the judge nor this module knows.
    """
    raw: list[tuple[Any, str]] = []
    for k, (item, label) in enumerate(pictures, 1):
        known_label(judge, label)
        [score] = ask(judge, [item])
        raw.append((score.values, label))
        seen(k)
    found = []
    for label in dict.fromkeys(label for _, label in raw if label != SAFE):
        part = preset if label == UNSAFE else Preset((label,), preset.threshold)
        values = {
            kind: [None if score is None else fuse(score, part) for score, said in raw if said == kind]
            for kind in (SAFE, label)
        }
        found.append(choose(label, values[SAFE], values[label], target))
    if not found:
        raise BadInput(
            f"no picture is labelled '{UNSAFE}' or as one of the judge's labels: there is nothing to find"
        )
    return found


def choose(
    label: str, safe: Sequence[float | None], unsafe: Sequence[float | None], target: float
) -> Calibration:
    """The threshold for one label; None is a picture that could not be judged. Raises BadInput."""
    b, u = (np.sort([value for value in side if value is not None]) for side in (safe, unsafe))
    enough(len(b), target)
    if not len(u):
        raise BadInput(f"no picture of '{label}' could be judged: nothing says how many the threshold finds")
    threshold = nextafter(float(b[-1 - floor(target * len(b))]), inf)
    alarms, hits = (int((side >= threshold).sum()) for side in (b, u))
    failed = len(safe) + len(unsafe) - len(b) - len(u)
    roc = _roc(b, u)
    auc = sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(roc))
    return Calibration(label, threshold, Rate(alarms, len(b)), Rate(hits, len(u)), auc, failed, roc)


def enough(n: int, target: float) -> None:
    """Raises BadInput when n harmless pictures cannot show such a rate."""
    valid.number("the rate of false alarms", target, 0, 0.5, above=True)
    if n < (least := ceil(1 / target)):
        raise BadInput(f"{n} harmless pictures say nothing of a rate of {target:g}: give at least {least}")


def known_label(judge: Judge, label: str) -> None:
    """Raises UnknownName for a label that is neither safe, unsafe nor one of the judge's."""
    if label not in (known := (SAFE, UNSAFE, *judge.labels)):
        raise UnknownName(f"label for {judge.name}", label, known)


def checks(judge: str, found: Sequence[Calibration]) -> str:
    """The thresholds as checks of a policy, in TOML."""
    return "\n".join(
        f'[[check]]\nstage = "image"\njudge = "{judge}"\n'
        + (f'category = "{one.label}"\n' if one.label != UNSAFE else "")
        + f'threshold = {one.threshold!r}\naction = "block"\non_error = "block"\n'
        for one in found
    )


def page(judge: Judge, spec: str, target: float, found: Sequence[Calibration]) -> str:
    """One HTML document: curves, thresholds, rates, and the checks to copy."""
    return render(TEMPLATE, {}, judge=judge, target=target, found=found, size=SIZE, toml=checks(spec, found))


def _roc(b: Float[np.ndarray, " n"], u: Float[np.ndarray, " m"]) -> tuple[tuple[float, float], ...]:
    """The corners (0, 0) to (1, 1), one for each value that occurs; b and u are sorted."""
    at = np.unique(np.concatenate([b, u]))[::-1]
    x, y = ((len(side) - np.searchsorted(side, at)) / len(side) for side in (b, u))
    return ((0.0, 0.0), *zip(x.tolist(), y.tolist(), strict=True))
