"""The gate: the one place where pixels become a picture that may leave.

It does not ask whether something objected. It asks whether everybody whom the policy names has spoken: a
check that was taken away, or skipped, holds the picture back as one that failed does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from PIL import Image

from safelight.core.nouns import WITHHELD, Decision, Outcome, strictest
from safelight.guarded.decide import HARD_STOP, broken
from safelight.guarded.release import shown
from safelight.policies import Bound


def gate(
    pixels: np.ndarray | None, decisions: Sequence[Decision], bound: Bound
) -> tuple[Image.Image | None, Outcome, tuple[Decision, ...]]:
    """What the user gets to see of pixels [h, w, 3], under which outcome, and all decisions on it."""
    outcome = strictest(decision.outcome for decision in decisions)
    if outcome in WITHHELD:
        return None, outcome, tuple(decisions)
    silent = unsaid(decisions, bound)
    if pixels is None or silent:
        why = ", ".join(silent) or "nothing to show"
        return None, Outcome.BLOCK, (*decisions, broken("image", "gate", "gate", why))
    return shown(pixels, outcome), outcome, tuple(decisions)


def unsaid(decisions: Sequence[Decision], bound: Bound) -> list[str]:
    """What the policy demands and no decision, or no method, answers for."""
    policy = bound.policy
    wanted = Counter((check.stage, check.judge) for check in policy.checks)
    said = Counter((d.stage, d.method) for d in decisions if d.hook == "check")
    held = [check.check for check in bound.checks]  # a prompt has one decision for each of its readings
    lost = Counter(method["use"] for method in policy.methods) - Counter(m.name for m in bound.methods)
    return [
        *(f"no decision of the {stage} check '{judge}'" for stage, judge in wanted - said),
        *(f"the {check.stage} check '{check.judge}' is gone" for check in policy.checks if check not in held),
        *(f"the method '{name}' did not run" for name in lost),
        *([] if any(d.method == HARD_STOP for d in decisions) else ["no decision of the hard stop"]),
    ]
