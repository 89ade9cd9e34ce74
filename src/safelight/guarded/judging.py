"""What a check decides: its judge's scores against the threshold, and the second judge where it is unsure.

A judge may be anybody's code. Whatever it does but answer in time, with a score in its range for each item,
is the check's `on_error`, and never a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from safelight.core.nouns import Decision, Outcome, Score
from safelight.guarded.timed import within
from safelight.judges import ask, believed
from safelight.policies import BoundCheck

NOBODY = ""
"""The sample of a decision until it is known which picture it is about."""


def judged(bound: BoundCheck, items: Sequence[Any]) -> list[Decision]:
    """One decision an item, from one call of the check's judge, and one of its second judge at most."""
    decisions = _asked(bound, items)
    second = bound.second
    unsure = [k for k, decision in enumerate(decisions) if _unsure(bound, decision)]
    if second is not None and unsure:
        for k, verdict in zip(unsure, _asked(second, [items[k] for k in unsure]), strict=True):
            first = decisions[k]
            said = {"judge": first.judge, "category": first.category, "score": first.score}
            decisions[k] = replace(
                verdict, method=first.method, ms=first.ms + verdict.ms,
                evidence={"unsure": said | {"between": bound.check.unsure}},
            )  # fmt: skip
    return decisions


def _asked(bound: BoundCheck, items: Sequence[Any]) -> list[Decision]:
    check, judge = bound.check, bound.judge
    failed = Decision(
        NOBODY, check.stage, "check", check.judge, check.on_error, "", check.category,
        judge=f"{judge.name}@{judge.version}", status="failed",
    )  # fmt: skip
    begun = perf_counter()
    try:
        if judge.content_hash != bound.content_hash:
            raise ValueError("its content hash is another one than when the policy was bound")
        own = [item.copy() if isinstance(item, np.ndarray) else item for item in items]  # it may write on it
        scores = within(check.seconds, lambda: ask(judge, own))
        verdicts = [_verdict(bound, score, failed) for score in scores]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit as well: a judge does not end the run
        verdicts = [replace(failed, reason=f"{judge.name} failed: {error!r}")] * len(items)
    ms = (perf_counter() - begun) * 1000 / len(items)
    return [replace(verdict, ms=ms) for verdict in verdicts]


def _verdict(bound: BoundCheck, score: Score, failed: Decision) -> Decision:
    """`failed`, unless the score is one that can be believed."""
    values, preset = score.values, bound.preset
    if values is None:
        return replace(failed, reason=score.detail)
    try:
        value = believed(bound.judge, preset, values)
    except ValueError as error:
        return replace(failed, reason=str(error))
    category = max(preset.labels, key=lambda label: values[label])
    outcome, relation = _outcome(bound, value)
    reason = f"{category} {value:.3f} {relation}"
    return replace(
        failed, outcome=outcome, reason=reason, category=category, score=value,
        threshold=preset.threshold, status="ok",
    )  # fmt: skip


def _outcome(bound: BoundCheck, value: float) -> tuple[Outcome, str]:
    check, threshold = bound.check, bound.preset.threshold
    if value >= threshold:
        return check.action, f"reaches {threshold:g}"
    if check.unsure is not None and value >= check.unsure[0]:
        return Outcome.REVIEW, f"is between {check.unsure[0]:g} and {threshold:g}: a person decides"
    return Outcome.ALLOW, f"is below {threshold:g}"


def _unsure(bound: BoundCheck, said: Decision) -> bool:
    """Whether the judge's value lies where the policy does not trust it alone."""
    unsure = bound.check.unsure
    return unsure is not None and said.score is not None and unsure[0] <= said.score < unsure[1]
