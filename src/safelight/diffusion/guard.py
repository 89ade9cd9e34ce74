"""The second door's lower half: the methods inside of a deployer's own diffusers pipeline.

While the door is open, the pipeline's denoising network works for its runs only, and refuses everybody else:
a plain call of the pipeline, of another one that shares the network, and of the network itself. Its decoder
refuses too, so that latents from elsewhere become no pictures either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import cached_property
from threading import Lock
from typing import Any, Self, TypeGuard
from weakref import WeakSet

from diffusers import UNet2DConditionModel
from torch import nn

from safelight.core.compose import exclusive, refusals
from safelight.core.errors import BadInput, Refused
from safelight.core.method import Method
from safelight.core.nouns import Cap, Prompt
from safelight.diffusion.backbones.base import called
from safelight.diffusion.generator import Generator
from safelight.diffusion.guard_families import family_of
from safelight.diffusion.guard_run import Run
from safelight.diffusion.load import live
from safelight.diffusion.solvers import check

_guarded: WeakSet[Any] = WeakSet()
"""The networks behind an open door, and their pipelines."""
_CLOSED = "this network is guarded: call what `guard` gave you instead of the pipeline"
_entering = Lock()
_turn: ContextVar[object] = ContextVar("turn", default=None)
"""For whom a network may work in this thread: a `Run`, a `Door` (safelight's own loop), or nobody."""


class Door:
    """A live pipeline whose network works under methods, for the length of a `with` block.

    Attributes:
        name, family, caps, judges: what `Policy.bind` must know of a generator.

    Raises:
        BadInput: the pipeline is of no class whose guidance is known, lacks a part, or has a network or a
            scheduler that cannot be used.
        Refused: on entering: its network is behind another door.
    """

    judges: Sequence[str] = ()

    def __init__(self, pipe: Any):
        self._family = family_of(pipe)
        if lacking := sorted(part for part in self._family.parts if getattr(pipe, part, None) is None):
            raise BadInput(f"this {type(pipe).__name__} has no {', '.join(lacking)}: load it whole")
        check(pipe.scheduler)
        self.pipe, self.net, self.decoder = pipe, _network(pipe), _decoder(pipe)
        self.name = called(pipe, self.net)
        backbone = self._family.backbone(pipe)
        self.family = backbone.family
        self.caps = backbone.caps - {Cap.GRAD}  # pipelines run without gradients
        self._busy = Lock()
        self._open: ExitStack | None = None

    @cached_property
    def generator(self) -> Generator:
        """Safelight's own loop over the pipeline's parts; within `own` it can repair a picture."""
        return live(self.pipe, self._family.backbone(self.pipe))

    def __enter__(self) -> Self:
        with _entering:
            if self.net in _guarded or self.pipe in _guarded:
                raise Refused(["this network is guarded already: leave that block first"])
            _guarded.update([self.net, self.pipe])
        self._open = ExitStack()
        self._open.callback(_guarded.difference_update, [self.net, self.pipe])
        self._open.callback(self.net.register_forward_pre_hook(self._ask, with_kwargs=True).remove)
        self._open.callback(self.net.register_forward_hook(self._answer).remove)
        self._open.callback(self.decoder.register_forward_pre_hook(_decode).remove)
        # Every call begins here, also with a network that was put in the place of the guarded one.
        self._inputs = self.pipe.check_inputs
        self._open.enter_context(_in_place_of(self.pipe, "check_inputs", self._check_inputs))
        return self

    def __exit__(self, *error: object) -> None:
        if (turn := _turn.get()) is self or self._mine(turn):
            raise Refused(["the block cannot end within its own call: leave it after the pictures are there"])
        with self._busy:  # a run in another thread ends first, and does not lose its hooks half-way
            if self._open is not None:
                self._open.close()
            self._open = None

    def __reduce__(self) -> Any:
        """A copy of the network brings its hooks, and they the door. Raises Refused."""
        raise Refused(["a guarded network cannot be copied or pickled: do it before the block, or after"])

    def check(self, methods: Sequence[Method]) -> None:
        """Raises Refused with every reason why methods cannot work here."""
        problems = [f"'{method.name}': {why}" for method in methods for why in refusals(type(method), self)]
        if problems := problems + exclusive(methods):
            raise Refused(problems)

    @contextmanager
    def run(self, prompts: Sequence[Prompt], n: int, methods: Sequence[Method]) -> Iterator[Run]:
        """The length of one call of the pipeline, with `run.texts` and n pictures a prompt.

        Raises:
            Refused: the methods cannot work here; another run is at work; the block has ended; or the
                pipeline did without the network: then nothing that it gave was guarded.
        """
        if not self._busy.acquire(blocking=False):
            raise Refused(["this pipeline is at work in another call; one at a time"])
        try:
            if self._open is None:
                raise Refused(["a guarded pipeline works inside of its block only: with guard(pipe) as it"])
            if _network(self.pipe) is not self.net:
                raise Refused(["the pipeline has another network than when it was guarded: guard it again"])
            self.check(methods)
            with ExitStack() as stack:
                run = Run(self._family, self.pipe, prompts, n, methods)
                for method in methods:
                    stack.enter_context(method.edit(run.backbone))
                run.encode()
                stack.enter_context(_in_place_of(self.pipe, "encode_prompt", run.encode_prompt))
                stack.enter_context(_turn_of(run))
                yield run
            if run.i is None:
                raise Refused(["the pipeline gave pictures without asking its network: nothing was guarded"])
        finally:
            self._busy.release()

    @contextmanager
    def own(self) -> Iterator[None]:
        """The length of a repair, in which the network works for safelight's own loop."""
        with self._busy, _turn_of(self):
            yield

    def _check_inputs(self, *args: Any, **kwargs: Any) -> None:
        if not self._mine(_turn.get()):
            raise Refused([_CLOSED])
        self._inputs(*args, **kwargs)

    def _mine(self, turn: object) -> TypeGuard[Run]:
        return isinstance(turn, Run) and turn.pipe is self.pipe

    def _ask(self, net: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        turn = _turn.get()
        if turn is self:
            return args, kwargs
        if not self._mine(turn):
            raise Refused([_CLOSED])
        return turn.ask(args, kwargs)

    def _answer(self, net: nn.Module, args: tuple, out: Any) -> Any:
        turn = _turn.get()
        return turn.answer(out) if isinstance(turn, Run) else out


def _network(pipe: Any) -> nn.Module:
    """The denoising network, if its calls can be hooked."""
    net = pipe.unet
    if hasattr(net, "_orig_mod") or getattr(net, "_compiled_call_impl", None) is not None:
        raise BadInput(
            "the pipeline's unet is compiled for one batch, and guarding adds rows to it: give the pipeline "
            "the network as it was before torch.compile"
        )
    if not isinstance(net, UNet2DConditionModel):
        raise BadInput(f"the pipeline's unet is a {type(net).__name__}; it must be a UNet2DConditionModel")
    return net


def _decoder(pipe: Any) -> nn.Module:
    """The part of the VAE that every picture comes out of."""
    if not isinstance(decoder := getattr(pipe.vae, "decoder", None), nn.Module):
        raise BadInput(f"the pipeline's vae, a {type(pipe.vae).__name__}, has no decoder that can be guarded")
    return decoder


def _decode(decoder: nn.Module, args: tuple) -> None:
    """Whoever may ask a guarded network may have its latents decoded: two pipelines may share one VAE."""
    if _turn.get() is None:
        raise Refused([_CLOSED])


@contextmanager
def _turn_of(who: object) -> Iterator[None]:
    token = _turn.set(who)
    try:
        yield
    finally:
        _turn.reset(token)


@contextmanager
def _in_place_of(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Another attribute of an object for a while."""
    own = {name: vars(owner)[name]} if name in vars(owner) else {}
    vars(owner)[name] = value
    try:
        yield
    finally:
        del vars(owner)[name]
        vars(owner).update(own)
