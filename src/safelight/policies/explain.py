"""A policy in plain words: what its methods steer by, and what its checks do with what they find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from safelight import judges as registered
from safelight.core.compose import compose
from safelight.core.errors import BadInput, Damaged
from safelight.core.method import Method, hooks
from safelight.core.nouns import Outcome, Prompt
from safelight.policies.check import Check
from safelight.policies.policy import ANY, Policy, narrowed

HARD_STOP = (
    "The hard stop comes first: a prompt that breaks the one rule that no policy can switch off is never "
    "drawn, and its text is kept nowhere."
)
KEPT = {
    True: "The record keeps the texts of the prompts.",
    False: "The record keeps no text of a prompt, only its hash.",
}
NOTHING_ELSE = "It has no methods and no checks."
WITHOUT_CHECKS = "It has no checks: what is drawn is shown."
DOES: Mapping[Outcome, str] = {
    Outcome.BLOCK: "it is withheld",
    Outcome.REVIEW: "it is withheld and waits for a person",
    Outcome.REPLACE: "a plain card is shown in its place",
    Outcome.BLUR: "it is shown blurred",
}


def explain(policy: Policy) -> dict[str, Any]:
    """The facts of a policy, for JSON. A judge that is not here is said to be so under `absent`."""
    made = compose(policy.methods, ANY)
    return {
        "policy": policy.name,
        "keep_prompts": policy.keep_prompts,
        "methods": [
            _method(method, table) for method, table in zip(made, policy.methods, strict=True)
        ],
        "checks": [_check(check) for check in policy.checks],
    }  # fmt: skip


def in_words(told: Mapping[str, Any]) -> list[str]:
    """What `explain` found as sentences, in the order in which things happen."""
    prompts, images = (
        [check for check in told["checks"] if check["stage"] == stage] for stage in ("prompt", "image")
    )
    body = [
        *(_of_method(method) for method in told["methods"]),
        *(_of_check(check, "prompt") for check in prompts),
        *(_of_check(check, "picture") for check in images),
    ]
    if not told["checks"]:
        body.append(WITHOUT_CHECKS if told["methods"] else NOTHING_ELSE)
    return [f"Policy '{told['policy']}'.", HARD_STOP, *body, KEPT[told["keep_prompts"]]]


def _method(method: Method, table: Mapping[str, Any]) -> dict[str, Any]:
    towards = list(method.sought)
    rows = [text for text in method.rows(Prompt("")).values() if isinstance(text, str) and text]
    return {
        "name": method.name,
        "about": (type(method).__doc__ or "").strip().partition("\n")[0],
        "settings": {key: value for key, value in table.items() if key != "use"},
        "hooks": list(hooks(type(method))),
        "texts": [text for text in dict.fromkeys(rows) if text not in towards],
        "towards": towards,
    }


def _check(check: Check) -> dict[str, Any]:
    facts = asdict(check)
    if check.escalate:
        facts["second"] = _asked(check.second)
    return facts | _asked(check)


def _asked(check: Check) -> dict[str, Any]:
    """Labels and threshold that apply; a judge of the caller's own, or without its package, is absent."""
    try:
        judge, preset = registered.load(check.judge)
        preset = narrowed(check, judge, preset)
    except (BadInput, Damaged) as error:
        return {"absent": str(error)}
    return {"asked": f"{judge.name}@{judge.version}", "labels": preset.labels, "threshold": preset.threshold}


def _of_method(method: Mapping[str, Any]) -> str:
    chosen = ", ".join(f"{key} = {value}" for key, value in method["settings"].items())
    parts = [
        f"Method {method['name']}: {method['about']}",
        *([f"It works with: {'; '.join(method['texts'])}."] if method["texts"] else []),
        *([f"It steers towards: {'; '.join(method['towards'])}."] if method["towards"] else []),
        *([f"Settings: {chosen}."] if chosen else []),
    ]
    return " ".join(parts)


def _of_check(check: Mapping[str, Any], what: str) -> str:
    looks = f"Check of each {what}: the judge {check['judge']} looks {_for(check)}; {_from(check)}"
    sentences = [f"{looks}, {DOES[check['action']]} ({check['action']})."]
    if check["unsure"]:
        low, high = check["unsure"]
        then = "it waits for a person (review)"
        if check["escalate"]:
            second = check["second"]
            then = f"the judge {check['escalate']} decides: {_for(second)}, {_from(second)} the same is done"
        sentences.append(f"Between {low:g} and {high:g} {then}.")
    sentences.append(
        f"Where a judge fails, or takes longer than {check['seconds']:g} s, "
        f"{DOES[check['on_error']]} ({check['on_error']})."
    )
    if "absent" in check:
        sentences.append(f"That judge is not here: {check['absent']}")
    return " ".join(sentences)


def _for(check: Mapping[str, Any]) -> str:
    if "labels" in check:
        return f"for {', '.join(check['labels'])}"
    return f"for {check['category']}" if check.get("category") else "for what its preset names"


def _from(check: Mapping[str, Any]) -> str:
    if check.get("threshold") is not None:
        return f"from {check['threshold']:g} on"
    return f"from {check['unsure'][1]:g} on" if check.get("unsure") else "from its preset's threshold on"
