"""Faults by name: each makes one part of a request misbehave, in a world where all else is in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch

from safelight.core.method import Method
from safelight.core.nouns import Cond, Decision, Outcome, Score
from safelight.core.ports import Preset, Reads
from safelight.methods.image.judge_localise_edit import JudgeLocaliseEdit
from safelight.policies import Bound, Check, Policy
from safelight.store import Store

NAN = float("nan")
Answer = Callable[[Sequence[Any]], Any]


def fine(items: Sequence[Any], unsafe: float = 0.0) -> list[Score]:
    return [Score({"unsafe": unsafe}) for _ in items]


@dataclass
class Judge:
    """Finds everything harmless, or does what its `answer` says."""

    name: str
    reads: Reads
    answer: Answer = fine
    version: str = "1"
    labels: tuple[str, ...] = ("unsafe",)
    range: tuple[float, float] = (0.0, 1.0)
    content_hash: str = "0"
    presets: Mapping[str, Preset] = field(default_factory=lambda: {"default": Preset(("unsafe",), 0.5)})

    def __call__(self, items):
        return self.answer(items)


@dataclass
class World:
    """A pipeline, a policy with a check at each stage, judges who find no fault, and a store."""

    pipe: Any
    store: Store
    patch: pytest.MonkeyPatch
    reader: Judge = field(default_factory=lambda: Judge("reader", "text"))
    looker: Judge = field(default_factory=lambda: Judge("looker", "image"))
    second: Judge = field(default_factory=lambda: Judge("second", "image"))
    seconds: float = 60.0
    unsure: tuple[float, float] | None = None
    methods: tuple[Method, ...] = ()
    writable: bool = True
    """Whether the store can hold the rows."""
    change: Callable[[Bound], Bound] = lambda bound: bound
    """What happens to the policy after it was bound."""

    @property
    def judges(self) -> dict[str, Any]:
        return {judge.name: judge for judge in (self.reader, self.looker, self.second)}

    def policy(self) -> Policy:
        """Its `bind` puts the method in: one of a test's own has no name in the registry."""
        self.patch.setattr(Policy, "bind", self._bind(Policy.bind))
        reads = Check("prompt", "reader", Outcome.BLOCK, seconds=self.seconds)
        looks = replace(reads, stage="image", judge="looker")
        tiers = replace(looks, unsure=self.unsure, escalate="second") if self.unsure else looks
        checks = (reads, tiers)
        return Policy("faults", checks=checks)

    def _bind(self, bind):
        return lambda *args, **kwargs: self.change(replace(bind(*args, **kwargs), methods=self.methods))


Fault = Callable[[World], None]


def raises(error: BaseException) -> Callable[..., Any]:
    def hook(*args: Any, **kwargs: Any) -> Any:
        raise error

    return hook


def gives(value: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: value


def says(**changes: Any) -> Decision:
    return replace(Decision("", "image", "image", "plugin", Outcome.ALLOW, "fine"), **changes)


def plugin(**hooks: Any) -> Fault:
    """A method with these hooks."""

    def fault(world: World) -> None:
        world.methods = (type("Plugin", (Method,), {"name": "plugin", **hooks})(),)

    return fault


ERROR, MEMORY = RuntimeError("out of order"), MemoryError()
CUDA = torch.OutOfMemoryError("CUDA out of memory")
UNKNOWN: Any = "alow"
ROW = {"rows": lambda self, p: {"concept": "a dog"}}


@contextmanager
def _breaks_at_the_end(method, model):
    yield
    raise ERROR


@contextmanager
def _poisons(method, model):
    bias = model.net.conv_out.bias
    before = bias.detach().clone()
    with torch.no_grad():
        bias.fill_(NAN)
    yield
    with torch.no_grad():
        bias.copy_(before)


def _embed(change: Callable[[torch.Tensor], torch.Tensor]) -> Fault:
    return plugin(embed=lambda self, cond, row, p: cond.map(change))


def _when_drawn(change: Callable[[], Any]) -> Fault:
    """For hooks that are also asked before anything is drawn, with an empty prompt."""
    return plugin(rows=lambda self, p: change() if p.text else {})


def _image(change: Callable[[np.ndarray], Any]) -> Fault:
    return plugin(image=lambda self, image, p, ctx: (change(image), []))


METHODS: dict[str, Fault] = {
    "sought: raises": plugin(sought=property(raises(ERROR))),
    "sought: one text": plugin(sought="a dog"),
    "sought: numbers": plugin(sought=[3]),
    "prompt: raises": plugin(prompt=raises(ERROR)),
    "prompt: out of memory": plugin(prompt=raises(MEMORY)),
    "prompt: nothing": plugin(prompt=gives(None)),
    "prompt: a text": plugin(prompt=gives(("a dog", []))),
    "prompt: no list of decisions": plugin(prompt=lambda self, p: (p, None)),
    "prompt: texts for decisions": plugin(prompt=lambda self, p: (p, ["fine"])),
    "prompt: an unknown outcome": plugin(prompt=lambda self, p: (p, [says(outcome=UNKNOWN)])),
    "prompt: a score of NaN": plugin(prompt=lambda self, p: (p, [says(score=NAN)])),
    "prompt: evidence that is no JSON": plugin(prompt=lambda self, p: (p, [says(evidence={"x": ERROR})])),
    "views: raises": plugin(views=raises(ERROR)),
    "views: nothing": plugin(views=gives(None)),
    "views: one text": plugin(views=gives("a dog")),
    "views: numbers": plugin(views=gives([3])),
    "rows: raises": _when_drawn(raises(ERROR)),
    "rows: nothing": _when_drawn(gives(None)),
    "rows: a number": _when_drawn(gives({"concept": 3})),
    "rows: wrong shape": _when_drawn(gives({"concept": Cond({"text_encoder": torch.zeros(1, 3, 3)})})),
    "embed: raises": plugin(embed=raises(ERROR)),
    "embed: nothing": plugin(embed=gives(None)),
    "embed: wrong shape": _embed(lambda x: x[..., :3]),
    "embed: wrong count": _embed(lambda x: torch.cat([x] * 3)),
    "embed: NaN": _embed(lambda x: x * NAN),
    "embed: wrong type": _embed(lambda x: x.to(torch.int64)),
    "start: raises": plugin(start=raises(ERROR)),
    "active: raises": plugin(**ROW, active=raises(ERROR), term=gives(0.0)),
    "active: leaves out what the term needs": plugin(
        **ROW, active=gives(frozenset()), term=lambda self, here, raw, state: raw["concept"]
    ),
    "term: raises": plugin(term=raises(ERROR)),
    "term: out of memory": plugin(term=raises(CUDA)),
    "term: NaN": plugin(term=gives(NAN)),
    "term: infinity": plugin(term=gives(float("inf"))),
    "term: a text": plugin(term=gives("0")),
    "term: wrong shape": plugin(term=gives(torch.zeros(3, 3))),
    "term: wrong count": plugin(term=lambda self, here, raw, state: torch.zeros(3, *here.x.shape[1:])),
    "edit: raises": plugin(edit=raises(ERROR)),
    "edit: out of memory": plugin(edit=raises(CUDA)),
    "edit: raises at the end": plugin(edit=_breaks_at_the_end),
    "edit: no context manager": plugin(edit=gives(None)),
    "edit: weights of NaN": plugin(edit=_poisons),
    "report: raises": plugin(report=raises(ERROR)),
    "report: wrong count": plugin(report=gives([{"on": True}])),
    "report: says nothing": plugin(report=lambda self, state, b: [{}] * b),
    "image: raises": plugin(image=raises(ERROR)),
    "image: out of memory": plugin(image=raises(CUDA)),
    "image: repair without enough memory": plugin(
        image=lambda self, image, p, ctx: (ctx.backbone.decode(raises(CUDA)()), [])
    ),
    "image: no pair": plugin(image=gives(None)),
    "image: nothing": _image(gives(None)),
    "image: a text": _image(gives("a picture")),
    "image: grey": _image(lambda image: image[..., 0]),
    "image: alpha": _image(lambda image: np.concatenate([image, image[..., :1]], 2)),
    "image: floats": _image(lambda image: image / 255),
    "image: NaN": _image(lambda image: image * NAN),
    "image: a batch": _image(lambda image: image[None]),
    "image: no pixels": _image(lambda image: image[:0]),
    "image: no list of decisions": plugin(image=lambda self, image, p, ctx: (image, None)),
    "image: an unknown outcome": plugin(image=lambda self, image, p, ctx: (image, [says(outcome=UNKNOWN)])),
    "image: a time of infinity": plugin(
        image=lambda self, image, p, ctx: (image, [says(ms=float("inf"))])
    ),
}  # fmt: skip


def _hangs(items: Sequence[Any]) -> Any:
    """Comes back long after the time limit, and finds everything harmless."""
    Event().wait(5)
    return fine(items)


ANSWERS: dict[str, Answer] = {
    "raises": raises(ERROR),
    "out of memory": raises(MEMORY),
    "ends the program": raises(SystemExit(0)),
    "too slow": _hangs,
    "NaN": lambda items: fine(items, NAN),
    "infinity": lambda items: fine(items, -float("inf")),
    "out of range": lambda items: fine(items, -1.0),
    "another label": lambda items: [Score({"safe": 1.0}) for _ in items],
    "too few": lambda items: fine(items)[1:],
    "too many": lambda items: [*fine(items), *fine(items)],
    "nothing": gives(None),
    "bare numbers": lambda items: [0.0 for _ in items],
    "texts": lambda items: [Score({"unsafe": "0"}) for _ in items],  # pyright: ignore[reportArgumentType]
    "a score without values": lambda items: [Score(None) for _ in items],
    "failed, with a guess": lambda items: [Score({"unsafe": 0.0}, "failed", "half of it") for _ in items],
    "skipped": lambda items: [Score(None, "skipped", "too busy") for _ in items],
}  # fmt: skip


def _answers(who: str, answer: Answer) -> Fault:
    def fault(world: World) -> None:
        getattr(world, who).answer = answer
        world.seconds = 0.5 if answer is _hangs else 60.0
        if who == "second":
            world.unsure, world.looker.answer = (0.2, 0.5), lambda items: fine(items, 0.3)

    return fault


def _mends(answer: Answer) -> Fault:
    """The judge by which a method repairs pictures, while the policy's own check finds them harmless."""

    def fault(world: World) -> None:
        mender = Judge("mender", "image", answer)
        world.methods = (JudgeLocaliseEdit("mender", edits=("blur",), masks=8),)
        asked = {"mender": (mender, mender.presets["default"])}
        world.change = lambda bound: replace(bound, asked=asked)

    return fault


def _judge(who: str, **changed: Any) -> Fault:
    """A judge that is exchanged, in place, after the policy was bound."""

    def fault(world: World) -> None:
        def change(bound: Bound) -> Bound:
            for name, value in changed.items():
                setattr(getattr(world, who), name, value)
            return bound

        world.change = change

    return fault


JUDGES: dict[str, Fault] = (
    {
        f"{who}: {name}": _answers(who, answer)
        for who in ("reader", "looker", "second")
        for name, answer in ANSWERS.items()
    }
    | {
        f"mender: {name}": _mends(answer)
        for name, answer in ANSWERS.items()
        if answer is not _hangs  # the time limit is on checks
    }
    | {
        "reader: changed weights": _judge("reader", content_hash="1"),
        "looker: changed weights": _judge("looker", content_hash="1"),
        "looker: loses its range": _judge("looker", range=None),
        "looker: a range of NaN": _judge("looker", range=(NAN, NAN)),
    }
)


def _store(owner: str, name: str, error: Exception, writable: bool = False) -> Fault:
    def fault(world: World) -> None:
        world.patch.setattr(world.store.images if owner == "images" else world.store, name, raises(error))
        world.writable = writable

    return fault


def _damaged(world: World) -> None:
    world.store.close()
    world.store.images.folder.with_name("runs.db").write_bytes(b"no database any more")
    world.writable = False


def _bound(**changes: Any) -> Fault:
    """A policy from which something is taken between binding and release."""

    def fault(world: World) -> None:
        world.change = lambda bound: replace(bound, **changes)

    return fault


def _method_lost(world: World) -> None:
    table = {"use": "sld", "concept": "nudity"}
    world.change = lambda bound: replace(bound, policy=replace(bound.policy, methods=(table,)))


def _half_the_checks(world: World) -> None:
    world.change = lambda bound: replace(bound, checks=bound.checks[:1])


def _one_of_a_judges_two_checks(world: World) -> None:
    """Where another reading of the prompt gives the other check as many decisions as both would."""
    plugin(views=lambda self, p: ["a dog"])(world)

    def change(bound: Bound) -> Bound:
        checks = bound.policy.checks
        return replace(
            bound, policy=replace(bound.policy, checks=(replace(checks[0], threshold=0.1), *checks))
        )

    world.change = change


FULL = OSError(28, "No space left on device")
GATES: dict[str, Fault] = {
    "store: disk full": _store("store", "add", FULL),
    "store: out of memory": _store("store", "add", MEMORY),
    "store: no room for pictures": _store("images", "put", FULL, writable=True),
    "store: damaged database": _damaged,
    "policy: all checks taken away": _bound(checks=()),
    "policy: one check taken away": _half_the_checks,
    "policy: one of a judge's two checks taken away": _one_of_a_judges_two_checks,
    "policy: a method taken away": _method_lost,
    "hard stop: its tables cannot be read": lambda world: world.patch.setattr(
        "safelight.guarded.decide.hard_stop", raises(OSError("no tables"))
    ),
    "gate: raises": lambda world: world.patch.setattr("safelight.guarded.stages.gate", raises(ERROR)),
}


def _net(part: str, change: Callable[..., Any]) -> Fault:
    """A network whose `forward` gives what `change` makes of its answer."""

    def fault(world: World) -> None:
        net = world.pipe
        for name in part.split("."):
            net = getattr(net, name)
        forward = net.forward
        world.patch.setattr(net, "forward", lambda *args, **kwargs: change(forward(*args, **kwargs)))

    return fault


def _weights_of_nan(world: World) -> None:
    bias = world.pipe.unet.conv_out.bias
    world.patch.setattr(bias, "data", torch.full_like(bias, NAN))


MODELS: dict[str, Fault] = {
    "network: weights of NaN": _weights_of_nan,
    "network: raises": _net("unet.conv_in", raises(ERROR)),
    "network: out of memory": _net("unet.conv_in", raises(CUDA)),
    "network: wrong shape": _net("unet.conv_out", lambda x: x[:, :3]),
    "network: wrong count": _net("unet.conv_out", lambda x: x[1:]),
    "text encoder: raises": _net("text_encoder", raises(ERROR)),
    "decoder: raises": _net("vae.decoder", raises(ERROR)),
    "decoder: out of memory": _net("vae.decoder", raises(CUDA)),
    "decoder: NaN": _net("vae.decoder", lambda x: x * NAN),
    "decoder: grey": _net("vae.decoder", lambda x: x[:, :1]),
    "decoder: alpha": _net("vae.decoder", lambda x: torch.cat([x, x[:, :1]], 1)),
    "decoder: too few": _net("vae.decoder", lambda x: x[1:]),
    "scheduler: raises": lambda world: world.patch.setattr(
        type(world.pipe.scheduler), "step", raises(ERROR)
    ),
}  # fmt: skip


def _flags(world: World) -> None:
    world.patch.setattr(type(world.pipe), "run_safety_checker", raises(ERROR))


def _fewer(world: World) -> None:
    process = world.pipe.image_processor.postprocess
    world.patch.setattr(
        world.pipe.image_processor, "postprocess", lambda *args, **kwargs: process(*args, **kwargs)[1:]
    )


def _without_network(world: World) -> None:
    made = type("Out", (), {"images": np.zeros((2, 16, 16, 3), np.float32)})()
    world.patch.setattr(type(world.pipe), "__call__", wraps(type(world.pipe).__call__)(gives(made)))


def _unhooked(world: World) -> None:
    encode = type(world.pipe).encode_prompt

    def removes(self, *args: Any, **kwargs: Any) -> Any:
        self.unet._forward_pre_hooks.clear()
        return encode(self, *args, **kwargs)

    world.patch.setattr(type(world.pipe), "encode_prompt", removes)


LIVE: dict[str, Fault] = {
    "pipeline: its safety checker raises": _flags,
    "pipeline: too few pictures": _fewer,
    "pipeline: pictures from elsewhere": _without_network,
    "pipeline: hooks removed at run time": _unhooked,
}
"""What only a pipeline of one's own can do."""
EVERYWHERE = METHODS | JUDGES | GATES | MODELS
