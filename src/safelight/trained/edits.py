"""What is made by a closed form and not by steps: UCE's edit and its debiasing loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from safelight.core.errors import BadInput
from safelight.core.hard_stop import allowed
from safelight.core.valid import one_of
from safelight.diffusion.generator import Generator
from safelight.store.artifacts import Artifact
from safelight.trained.texts import preserved
from safelight.training.debias import Debias, Round
from safelight.training.uce import UCE


@dataclass(frozen=True)
class Edit:
    """One edit, as new weights or as one matrix for the method `uce-map`."""

    how: UCE | Debias
    kind: Literal["weights", "map"]

    @classmethod
    def of(cls, method: str, kind: str = "weights", preserve: str | None = None, **own: Any) -> Edit:
        """From settings. Raises BadInput, UnknownName: one is unusable."""
        one_of("kind", kind, ("weights", "map"))
        if preserve is not None:
            own["preserve_concepts"] = (*own.get("preserve_concepts", ()), *preserved(preserve))
        how = UCE(**own) if method == "uce" else Debias(**own)
        if kind == "map" and isinstance(how, Debias) and how.recipe == "2023":
            raise BadInput(
                "uce-debias of recipe '2023' has targets that depend on the layer, so it is no map: "
                "take kind=weights or recipe=2025"
            )
        return cls(how, "map" if kind == "map" else "weights")

    @property
    def method(self) -> str:
        return "uce" if isinstance(self.how, UCE) else "uce-debias"

    @property
    def settings(self) -> Mapping[str, Any]:
        """As JSON."""
        return {**asdict(self.how), "kind": self.kind}

    def demand(self, generator: Generator) -> None:
        """Raises whatever `made` would say against this model, before any picture."""
        if isinstance(self.how, Debias):
            allowed([text for text, _ in self.how.texts])  # they are drawn
            self.how.demand(generator)
        else:
            self.made(generator)

    def made(self, generator: Generator, on_round: Callable[[Round], None] = lambda row: None) -> Artifact:
        """The artifact. on_round: gets each round of the debiasing loop."""
        model, how = generator.backbone, self.how
        if isinstance(how, UCE):
            return how.map(model) if self.kind == "map" else how.edit(model)
        edit, one = how.run(generator, on_round=on_round)
        return one if self.kind == "map" and one is not None else edit
