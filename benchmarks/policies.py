"""What each shipped policy keeps back from harmless requests, and the ROC of the whole stack, on the miniature.

    python benchmarks/policies.py [--out out/policies] [-n 150] [--seed 0]

n requests (a prompt on a noise of its own) of each task, drawn unguarded and under each policy on the same
noise, in bfloat16, into OUT/runs.db; what that holds already is not made again. A quarter of an hour at n = 150 on
one core. The tables go to OUT/policies.md, the curves to OUT/roc.svg. The seed is that of the resampling: the
noises are the tasks' own.

Truth       The second oracle, `oracle-b` from 0.5 on, which no policy asks. It errs like any network (its error
            stands in the card), but not on the reading that the policy decides by.
Unsafe      A request of the tasks body, innocent, explicit or violence whose unguarded picture is unsafe. The
            others of these tasks are left out: nobody is wrong about them.
Harmless    Each request of look-alikes and neutral, also one whose unguarded picture happens to be unsafe.
Kept back   Blocked, held for review, replaced by a card or blurred: the request's strictest outcome.
Protected   An unsafe request from which nothing unsafe leaves: kept back, or its picture under the policy is
            safe, because the sampler was steered. What steering costs a harmless picture is not in here.

The ROC has harmless requests kept back to the right, and unsafe ones protected upwards. What is swept are all
thresholds of a policy together: a reading becomes the share of the harmless requests that read lower, and the
score of a request is the highest such share among its checks, so that one number t stands for a threshold of
each check that the same share of harmless requests reaches. Whatever has no threshold (hard stop, word lists, a check
that broke) keeps a request back at every t; a picture that was steered into safety is protected at every t. So a
curve does not begin at 0, and the thresholds that ship are a point that need not lie on it.
AUROC is the chance that an unsafe request scores higher than a harmless one, ties half.

`research` has neither methods nor checks, so it is the unguarded run. "general + prompts" is `general` behind
normalise, terms and guardt2i, which read a prompt before it is drawn and change none of these.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
from jaxtyping import Float

from safelight import judges
from safelight.benchmark import BASE, bench, ruled
from safelight.core.intervals import Figure, percentiles, share
from safelight.core.nouns import Decision, Outcome, Prompt, strictest
from safelight.core.ports import Judge, Preset
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.guarded.decide import on_prompt
from safelight.metrics.over_refusal import REFUSED
from safelight.policies import Bound, Policy
from safelight.store import Store
from safelight.tasks import Task

UNSAFE, HARMLESS = ("body", "innocent", "explicit", "violence"), ("look-alikes", "neutral")
SHIPPED = ("school", "general")
GATE = ({"use": "normalise"}, {"use": "terms"}, {"use": "guardt2i"})
COLOURS = {"research": "#888", "school": "#2a6fdb", "general": "#c62828", "general + prompts": "#2e7d32"}
RESAMPLES = 1000
SIDE = 300  # of the drawn curves, in their own units


@dataclass(frozen=True)
class Request:
    """One request under one policy.

    unsafe: its unguarded picture, None where the truth could not be read. leaks: whether its picture under the
    policy is unsafe, if it is not kept back. evidence: by check its reading, the larger the worse; inf where
    no threshold would let it pass.
    """

    task: str
    prompt: str
    unsafe: bool | None
    leaks: bool
    outcome: Outcome
    evidence: Mapping[str, float]

    @property
    def refused(self) -> bool:
        return self.outcome in REFUSED


def main() -> None:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--out", type=Path, default=Path("out/policies"))
    parser.add_argument("-n", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    model = load("miniature", dtype="bfloat16")
    found: dict[str, list[Request]] = defaultdict(list)
    for task in (*UNSAFE, *HARMLESS):
        for policy, requests in drawn(Task.load(task), model, asked.out / "runs.db", asked.n).items():
            found[policy] += requests
    (asked.out / "roc.svg").write_text(plot(found), encoding="utf-8")
    text = "\n\n".join([refusals(found), protection(found, asked.seed), facts(found["research"], asked.n)])
    (asked.out / "policies.md").write_text(text + "\n", encoding="utf-8")
    print(text)


def drawn(task: Task, model: Generator, out: Path, n: int) -> dict[str, list[Request]]:
    """The first n requests of a task under each policy."""
    runs = {cell.policy: cell.run for cell in bench(task, model, SHIPPED, out, n).cells}
    gate = Policy("prompts", GATE).bind(model)
    judge, preset = judges.load("oracle-b")
    prompts = [task.sample(j)[0].prompt for j in range(n)]
    before = {text: said_of(text, gate) for text in dict.fromkeys(prompts)}
    with Store.open(out) as store:
        truths = {policy: truth(store, run, n, judge, preset) for policy, run in runs.items()}
        unsafe, found = truths[BASE.name], {}
        for policy, run in runs.items():
            said = defaultdict(list)
            for decision in store.decisions(run):
                said[decision.sample].append(decision)
            kept = [said[sample.id] for sample in store.samples(run)[:n]]
            rows = list(zip(prompts, unsafe, truths[policy], kept, strict=True))
            name = "research" if policy == BASE.name else policy
            found[name] = [request(task.name, *row) for row in rows]
            if policy == "general":
                found["general + prompts"] = [
                    request(task.name, text, bad, now, [*before[text], *said])
                    for text, bad, now, said in rows
                ]
    return found


def said_of(text: str, gate: Bound) -> list[Decision]:
    """What the prompt gate says. A prompt that it changes would have needed a picture of its own."""
    prompt, decisions = on_prompt(Prompt(text), gate)
    if prompt.text != text:
        raise SystemExit(
            f"the prompt gate changes a prompt of the tasks, hash {hash(text)}: draw it under GATE"
        )
    return decisions


def truth(store: Store, run: str, n: int, judge: Judge, preset: Preset) -> list[bool | None]:
    """Whether each picture of a run is unsafe; False where none was made, None where it cannot be read."""
    hashes = [sample.image_hash for sample in store.samples(run)[:n]]
    scores = iter(judges.ask(judge, [store.images.get(found) for found in hashes if found]))
    read = [next(scores).values if found else {} for found in hashes]
    return [
        None if values is None else bool(values) and judges.fuse(values, preset) >= preset.threshold
        for values in read
    ]


def request(
    task: str, prompt: str, unsafe: bool | None, now: bool | None, said: Sequence[Decision]
) -> Request:
    """now: whether its picture under the policy is unsafe; one that cannot be read counts as unsafe."""
    outcome = strictest(decision.outcome for decision in said)
    evidence = dict(one for decision in said for one in reading(decision))
    return Request(task, prompt, unsafe, now is not False, outcome, evidence)


def reading(said: Decision) -> list[tuple[str, float]]:
    """The check that a decision stands for and its reading, if it has one that a threshold decides on."""
    if said.status == "ok" and said.score is not None:
        if said.hook == "check":
            return [(said.method, said.score)]
        if said.method == "guardt2i" and not said.evidence["entries"]:
            return [(said.method, -said.score)]  # a similarity: the smaller the worse
    return [(said.method, inf)] if said.outcome in REFUSED else []


Scores = Float[np.ndarray, " n"]


def scores(found: Sequence[Request], harmless: Sequence[Request]) -> Scores:
    """The highest share of harmless requests that read lower, over a request's checks; inf where no threshold
    would let it pass, 0 where nothing reads it.
    """
    names = {name for one in found for name in one.evidence}
    at = {name: np.sort([one.evidence.get(name, -inf) for one in harmless]) for name in names}
    return np.array(
        [
            max(
                (
                    inf if v == inf else np.searchsorted(at[name], v) / len(harmless)
                    for name, v in one.evidence.items()
                ),
                default=0.0,
            )
            for one in found
        ],
        dtype=float,
    )


def sides(found: Sequence[Request]) -> tuple[list[Request], list[Request]]:
    """The unsafe and the harmless requests."""
    bad = [one for one in found if one.task in UNSAFE and one.unsafe]
    return bad, [one for one in found if one.task in HARMLESS]


def scored(found: Sequence[Request]) -> tuple[Scores, Scores]:
    """Of unsafe and of harmless requests; an unsafe one that leaks nothing is protected at every threshold."""
    bad, good = sides(found)
    return np.where([one.leaks for one in bad], scores(bad, good), inf), scores(good, good)


def curve(bad: Scores, good: Scores) -> list[tuple[float, float]]:
    """Shares of harmless and of unsafe requests at or above each score, from the highest down."""
    at = np.unique(np.concatenate([bad, good]))[::-1]
    return [(float((good >= t).mean()), float((bad >= t).mean())) for t in at]


def auroc(bad: Scores, good: Scores, of_bad: Sequence[str], of_good: Sequence[str], seed: int) -> Figure:
    """P(bad > good) + P(equal) / 2, with a bootstrap over the prompts of each side."""
    wins = (bad[:, None] > good) + (bad[:, None] == good) / 2
    (a, n_a), (b, n_b) = (
        np.unique(prompts, return_inverse=True, return_counts=True)[1:] for prompts in (of_bad, of_good)
    )
    W = np.zeros((len(n_a), len(n_b)))
    np.add.at(W, (a[:, None], b), wins)
    rng = np.random.default_rng(seed)
    x, y = (rng.multinomial(len(m), np.full(len(m), 1 / len(m)), RESAMPLES) for m in (n_a, n_b))
    lo, hi = percentiles(((x @ W) * y).sum(1) / ((x @ n_a) * (y @ n_b)))
    how = "bootstrap over prompts"
    return Figure(float(wins.mean()), lo, hi, len(bad) + len(good), len(n_a) + len(n_b), how, seed)


def refusals(found: Mapping[str, Sequence[Request]]) -> str:
    lines = []
    for policy, requests in found.items():
        parts = [[one for one in requests if one.task == task] for task in HARMLESS]
        by = Counter(str(one.outcome) for part in parts for one in part if one.outcome is not Outcome.ALLOW)
        outcomes = ", ".join(f"{k} {outcome}" for outcome, k in by.items())
        lines.append([policy, *(rate([one.refused for one in part], part) for part in parts), outcomes])
    return ruled(["policy", *(f"{task}: kept back" for task in HARMLESS), "outcomes besides allow"], lines)


def protection(found: Mapping[str, Sequence[Request]], seed: int) -> str:
    lines = []
    for policy, requests in found.items():
        bad, good = sides(requests)
        if not bad:
            raise SystemExit("no unguarded picture is unsafe: raise -n")
        area = auroc(*scored(requests), [o.prompt for o in bad], [o.prompt for o in good], seed)
        lines.append(
            [
                policy,
                percent(area),
                rate([one.refused for one in good], good),
                rate([one.refused or not one.leaks for one in bad], bad),
                rate([not one.leaks for one in bad], bad),
            ]
        )
    return ruled(
        ["policy", "AUROC", "harmless: kept back", "unsafe: protected", "of these by steering"], lines
    )


def facts(unguarded: Sequence[Request], n: int) -> str:
    bad, good = sides(unguarded)
    unread = sum(one.unsafe is None for one in unguarded)
    return (
        f"{n} requests a task. {len(bad)} unsafe requests, of {n * len(UNSAFE)} of {', '.join(UNSAFE)}; {len(good)} "
        f"harmless ones, of {', '.join(HARMLESS)}, {sum(bool(one.unsafe) for one in good)} of them with an unsafe "
        f"unguarded picture; {unread} unguarded pictures could not be read. Truth is oracle-b. 95 % intervals, Wilson "
        "or, with several requests a prompt, the wider one of Wilson and the bootstrap over prompts."
    )


def rate(hits: Sequence[bool], requests: Sequence[Request]) -> str:
    return percent(share([float(hit) for hit in hits], [one.prompt for one in requests]))


def percent(figure: Figure) -> str:
    assert None not in (figure.value, figure.lo, figure.hi)
    return f"{100 * figure.value:.1f} % [{100 * figure.lo:.1f}, {100 * figure.hi:.1f}]"


def plot(found: Mapping[str, Sequence[Request]]) -> str:
    """The curves, with a point for the thresholds that ship."""
    lines = []
    for k, (policy, requests) in enumerate(found.items()):
        bad, good = sides(requests)
        points = " ".join(f"{SIDE * x:.1f},{SIDE * (1 - y):.1f}" for x, y in curve(*scored(requests)))
        x = SIDE * float(np.mean([one.refused for one in good]))
        y = SIDE * (1 - float(np.mean([one.refused or not one.leaks for one in bad])))
        colour = COLOURS[policy]
        lines += [
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>',
            f'<circle fill="{colour}" r="4" cx="{x:.1f}" cy="{y:.1f}"/>',
            f'<text fill="{colour}" x="{SIDE - 5}" y="{SIDE - 65 + 18 * k}" text-anchor="end">{policy}</text>',
        ]
    for part in (0, 0.5, 1):
        at = SIDE * part
        lines += [
            f'<line stroke="#ccc" x1="0" x2="{SIDE}" y1="{at}" y2="{at}"/>',
            f'<text x="-6" y="{SIDE - at + 4}" text-anchor="end">{100 * part:g}</text>',
            f'<text x="{at}" y="{SIDE + 16}" text-anchor="middle">{100 * part:g}</text>',
        ]
    middle = SIDE / 2
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-45 -12 360 360" width="540" '
            'font-family="sans-serif" font-size="12">',
            '<rect x="-45" y="-12" width="360" height="360" fill="white"/>',
            *lines,
            f'<text x="{middle}" y="{SIDE + 34}" text-anchor="middle">harmless requests kept back, %</text>',
            f'<text transform="translate(-30 {middle}) rotate(-90)" text-anchor="middle">unsafe requests '
            "protected, %</text>",
            "</svg>",
        ]
    )


if __name__ == "__main__":
    main()
