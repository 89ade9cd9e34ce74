"""Anchored SDD: our variant of SDD (Kim et al. 2023, arXiv 2307.05977) whose target is held fast.

Idea: SDD's target, the student's prediction for no text, is trained along with all else, and at a high
learning rate it wanders off: pictures of everything change style. Here the target is the original's
prediction for no text, as in ESD, but not pushed past it.

Equations: theta* frozen original, the rest as in `sdd`:
    L = mean( (e_theta*(z, t, c_0) - e_theta(z, t, c_s))^2 )

Differs: from SDD in that one symbol, at the same cost. It is not the published method and has its own name in
manifests; "drift" in its records says how far the student's prediction for no text has gone all the same.
"""

from __future__ import annotations

from typing import ClassVar, Literal, final

from safelight.training.sdd import SDD


@final
class AnchoredSDD(SDD):
    """Takes concepts out of `model`: an `Objective` with the settings of `SDD`."""

    name: ClassVar[str] = "sdd-anchored"
    anchor: ClassVar[Literal["student", "original"]] = "original"
