"""The base of every inference-time method: override the hooks you plug into, nothing else.

A method is one final frozen dataclass in one file. Its fields are its configuration, with the paper's names;
the hooks it overrides say what it needs from a generator. Hooks run in the order of the data: edit, prompt,
views, rows, embed, start, active, term, report, image; within a hook, methods run in the order of the list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Self

from safelight.core.errors import UnknownName
from safelight.core.nouns import Cap, Cond, Decision, Moment, Prompt

if TYPE_CHECKING:
    from torch import Tensor

    from safelight.core.ports import Backbone, Studio


class Method:
    """Base of all methods. Each hook below does nothing; see a method file for how few a paper needs."""

    name: ClassVar[str]
    """The file's name with `-` for `_`."""
    needs: ClassVar[frozenset[Cap]] = frozenset()
    """Beyond what the overridden hooks imply. GRAD switches gradients on for this method's terms only."""
    families: ClassVar[frozenset[str]] = frozenset()
    """Model families it can work with; empty means every family that has the capabilities."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named settings of the fields, where the paper or its code gives names."""
    scaled: ClassVar[bool] = False
    """Whether the paper multiplies the term by the guidance scale, with the prompt's own direction."""
    paper: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        cls.name = vars(cls).get("name") or cls.__module__.rpartition(".")[2].replace("_", "-")

    @classmethod
    def of(cls, preset: str | None = None, **fields: Any) -> Self:
        """The method with a preset's fields; fields given here win."""
        if preset is None:
            return cls(**fields)
        if preset not in cls.presets:
            raise UnknownName(f"preset of {cls.name}", preset, cls.presets)
        return cls(**{**cls.presets[preset], **fields})

    @property
    def sought(self) -> Sequence[str]:
        """The texts that pictures are steered towards; those to avoid do not belong here. The hard stop reads
        them by themselves and together with the prompt."""
        return ()

    @property
    def contents(self) -> Mapping[str, Any]:
        """By setting that names files: hashes of what is in them. A run is told by these, not by paths."""
        return {}

    def edit(self, model: Backbone) -> AbstractContextManager[None]:
        """Changes weights or layers for the length of a run and restores every bit on exit."""
        return nullcontext()

    def prompt(self, p: Prompt) -> tuple[Prompt, list[Decision]]:
        """Rewrites or judges the text."""
        return p, []

    def views(self, p: Prompt) -> Sequence[str]:
        """Other readings of the text that no method will change any more, for prompt checks to judge besides
        it: the strictest outcome counts."""
        return []

    def rows(self, p: Prompt) -> Mapping[str, str | Cond]:
        """Extra texts (or embeddings) to predict. Names are local to the instance, but for `uncond`: it
        replaces the empty text, and only one method may set it."""
        return {}

    def embed(self, cond: Cond, row: str, p: Prompt) -> Cond:
        """Changes the conditioning of one row of one prompt: "prompt", "uncond" or a method's own."""
        return cond

    def check(self, n: int, scale: float) -> list[str]:
        """Why this method could never act in `n` solver iterations at guidance `scale`; empty if it can."""
        return []

    def start(self) -> Any:
        """Fresh state for one run."""
        return None

    def active(self, i: int, n: int) -> frozenset[str] | None:
        """Which of its own rows iteration `i` of `n` needs; None = all. Skipping a row must be exact."""
        return None

    def term(self, here: Moment, raw: Mapping[str, Tensor], state: Any) -> Tensor | float:
        """What the paper adds to the guided prediction [b, c, h, w], or, if `scaled`, to prompt - uncond,
        before the guidance scale. `raw` has uncond, prompt and its own rows without those that `active` left
        out."""
        return 0.0

    def report(self, state: Any, b: int) -> list[dict[str, Any]]:
        """For each of a run's `b` pictures, what was done: {"on": bool, ...}, with "why" if not on."""
        return [{"on": True} for _ in range(b)]

    def asks(self) -> Sequence[str]:
        """The judges, NAME[:PRESET], that `image` asks through `ctx`: a policy finds them before it runs."""
        return ()

    def image(self, image: Any, p: Prompt, ctx: Studio) -> tuple[Any, list[Decision]]:
        """Judges, replaces or repairs one finished picture; `ctx` can regenerate and repair."""
        return image, []


IMPLIED: Mapping[str, Cap] = {
    "edit": Cap.WEIGHTS,
    "prompt": Cap.PROMPT,
    "views": Cap.PROMPT,
    "rows": Cap.STEPS,
    "embed": Cap.EMBED,
    "term": Cap.STEPS,
    "image": Cap.IMAGE,
}


def hooks(cls: type[Method]) -> tuple[str, ...]:
    """The hooks that a method class overrides, in the order they run."""
    return tuple(name for name in IMPLIED if getattr(cls, name) is not getattr(Method, name))


def needs(cls: type[Method]) -> frozenset[Cap]:
    """All capabilities a method class needs from a generator."""
    return cls.needs | {IMPLIED[name] for name in hooks(cls)}
