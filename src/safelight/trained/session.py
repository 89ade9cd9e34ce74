"""`safelight.train`: from the name of a method to a file, a record of every step, and one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from time import perf_counter
from typing import Any

import torch

from safelight.core.errors import BadInput
from safelight.core.hard_stop import allowed
from safelight.core.valid import whole
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.diffusion.meter import Meter
from safelight.methods.embedding.uce_map import UCEMap
from safelight.methods.weights.weights import Weights
from safelight.store import Store
from safelight.store.artifacts import Artifact
from safelight.trained.anchors import latents_of, texts_of
from safelight.trained.edits import Edit
from safelight.trained.page import command, html
from safelight.trained.recipes import EDITS, METHODS, Learned, checked, published
from safelight.trained.record import Record, run_row
from safelight.training import processes
from safelight.training.ca import CA
from safelight.training.debias import Round
from safelight.training.fit import Diverged, Plan, Row, fit

USES = {"map": UCEMap, "module": None}
"""The method that draws with an artifact of this kind, by default `weights`; a module is no part of the model
that draws."""
Progress = Callable[[str, int, int, str], None]
"""Called with what is made, how much of it is done, how much there is, and a note."""


def quiet(what: str, done: int, total: int, note: str) -> None:
    """No progress."""


@dataclass(frozen=True)
class Trained:
    """What a training left: the artifact `path` with `tensors` tensors and the hash `content`, and `page`.

    rows, seconds: what it cost in all, Concept Ablation's pictures included and those of `samples` not: rows
    that the network predicted, and the time of this machine with all else that it did.
    """

    path: Path
    page: Path
    run: str
    tensors: int
    content: str
    rows: int
    seconds: float


def train(
    method: str,
    model: Generator | str | Path | Any = "miniature",
    out: str | Path = "trained.safetensors",
    *,
    samples: Sequence[str] = (),
    every: int | None = None,
    progress: Progress = quiet,
    **settings: Any,
) -> Trained:
    """Take something out of a model, as one of the published methods does, or train a guard for its prompts.
    The model stays as it is.

    The folder beside `out` with the ending .run holds checkpoints, pictures and the database; a training that
    was stopped at any moment goes on from there to the same bits. A page with the ending .html is kept up to
    date. Under torchrun every process predicts its share of the network's rows, and the first one writes.

    Args:
        method: sdd, sdd-anchored, esd, ca, uce or uce-debias; guardt2i for a guard.
        model: what `safelight.load` takes (read in float32), or what it gave.
        out: the artifact, a .safetensors file for the method `weights`, `uce-map` or `guardt2i`.
        samples: prompts that are drawn before, on the way and after, always on the same noise.
        every: updates between such pictures; by default a quarter of all.
        settings: the method's own, and those of `Plan`, whose defaults are as published.

    Raises:
        BadInput, UnknownName, Refused: a setting is unusable, not for this model, or of another training than
            the one in that folder. Before any training.
        Diverged: a loss or gradient is not finite. The last good weights are in that folder.
    """
    own, planned = checked(method, settings)
    if isinstance(samples, str):
        raise BadInput(f"samples must be several prompts, got one text: {samples!r:.80}")
    allowed(samples)
    if every is not None:
        whole("every", every, 1)
    path = _place(out)
    folder = run_folder(path)
    with processes.joined(), TemporaryDirectory() as dropped:
        generator = model if isinstance(model, Generator) else load(model, dtype="float32")
        backbone = processes.shared(generator.backbone)
        rows, seconds = 0, 0.0
        if method == "ca":
            own = _anchored(generator, own)
            with processes.first_before_others():
                own["latents"], rows, seconds = latents_of(generator, own["anchors"], folder, progress)
        if method in EDITS:
            made = Edit.of(method, **own)
            made.demand(generator)
        else:
            made = METHODS[method](backbone, **own)
        redo = command(method, generator.name, settings, out, samples, every)
        first = processes.rank() == 0
        # the others do the same, without pictures, and what they write is dropped
        place, samples = (path, tuple(samples)) if first else (Path(dropped) / path.name, ())
        with Store.open(run_folder(place) / "runs.db") as store:
            session = _Session(store, generator, place, folder, samples, every, progress, redo, rows, seconds)
            done = session.edit(made) if isinstance(made, Edit) else session.fit(made, planned)
            return replace(done, path=path, page=path.with_suffix(".html"))


def demand(method: str, generator: Generator, settings: Mapping[str, Any]) -> None:
    """Raises whatever `train` would say against these settings on this model, and trains nothing."""
    own, _ = checked(method, settings)
    if method == "ca":
        _anchored(generator, own)
    elif method in EDITS:
        Edit.of(method, **own).demand(generator)
    else:
        with METHODS[method](generator.backbone, **own):
            pass


@dataclass(frozen=True)
class _Session:
    """One training with its places. rows, seconds: what it cost before its first step."""

    store: Store
    generator: Generator
    path: Path
    folder: Path
    """Where the checkpoints lie."""
    samples: Sequence[str]
    every: int | None
    progress: Progress
    redo: str
    rows: int
    seconds: float

    def edit(self, edit: Edit) -> Trained:
        """By a closed form, which has no steps."""
        record = self._begin(edit.method, edit.settings, {})

        def on_round(row: Round) -> None:
            self.progress(edit.method, row.round, row.of, f"furthest share off by {row.gap:.3g}")

        with self._ending(record):
            begun = perf_counter()
            with Meter(self.generator.backbone) as meter:
                artifact = edit.made(self.generator, on_round)
                rows = meter.take() * processes.count()
            spent = replace(self, rows=rows, seconds=perf_counter() - begun)
            return spent._finish(record, artifact, 1)

    def fit(self, objective: Learned, planned: Mapping[str, Any]) -> Trained:
        """Trains, and leaves the model as it was."""
        with objective, processes.summed(objective.parameters().values()):
            plan = replace(published(objective), **planned)
            record = self._begin(objective.name, objective.settings, asdict(plan))
            with self._ending(record):
                artifact = self._learn(objective, plan, record)
        with self._ending(record):
            return self._finish(record, artifact, plan.steps)

    def _learn(self, objective: Learned, plan: Plan, record: Record) -> Artifact:
        every = self.every or -(-plan.steps // 4)
        meter = Meter(self.generator.backbone)

        def on_row(row: Row) -> None:
            # every process predicts as many rows as this one
            rows = meter.take() * processes.count()
            record.step(replace(row, values={**row.values, "rows": rows}))
            self.progress(objective.name, row.step, row.of, f"loss {row.values['loss']:.3g}")
            if row.step % every == 0 and row.step < row.of:
                record.draw(row.step, shown=objective.shown)
                self._show(record)
                meter.take()

        try:
            with meter:
                fit(objective, plan, self.folder, on_row, writes=processes.rank() == 0)
        except Diverged as error:
            if not (done := len(self.store.steps(record.run.id))):
                raise
            kept = run_folder(self.path) / "last-good.safetensors"
            objective.result(replace(plan, steps=done)).save(kept)
            raise Diverged(f"{error}. The weights of step {done} are in {kept}") from error
        return objective.result(plan)

    def _begin(self, method: str, settings: Mapping[str, Any], plan: Mapping[str, Any]) -> Record:
        run = run_row(method, self.generator, settings, plan)
        record = Record(self.store, run, self.generator, self.samples)
        record.begin()
        record.draw(0)
        return record

    def _finish(self, record: Record, artifact: Artifact, step: int) -> Trained:
        artifact = replace(artifact, manifest=replace(artifact.manifest, run=record.run.id))
        artifact.save(self.path)
        use = USES.get(artifact.manifest.kind, Weights)
        record.draw(step, [use(str(self.path))] if use else [])
        record.end(artifact, self.path)
        page = self._show(record, artifact)
        steps = self.store.steps(record.run.id)
        rows = self.rows + sum(int(step.scalars["rows"]) for step in steps)
        seconds = self.seconds + sum(step.seconds for step in steps)
        return Trained(self.path, page, record.run.id, len(artifact.tensors), artifact.content, rows, seconds)

    def _show(self, record: Record, artifact: Artifact | None = None) -> Path:
        """The page as things stand."""
        path = self.path.with_suffix(".html")
        path.write_text(html(record, self.redo, artifact), encoding="utf-8")
        return path

    @contextmanager
    def _ending(self, record: Record) -> Iterator[None]:
        """Whatever ends the training early stands in its record and on its page."""
        try:
            yield
        except BaseException as error:
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            self.store.finish(record.run.id, status)
            self._show(record)
            raise


def run_folder(path: Path) -> Path:
    """Where the training of an artifact lies: beside it, with .run for its ending."""
    return path.with_suffix(".run")


def _place(out: str | Path) -> Path:
    """Raises BadInput unless an artifact can be written to `out`."""
    path = Path(out).expanduser()
    if path.suffix != ".safetensors" or path.is_dir():
        raise BadInput(f"out must be a .safetensors file, got '{out}'")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}; name a file that is writable") from error
    return path


def _anchored(generator: Generator, own: Mapping[str, Any]) -> dict[str, Any]:
    """Concept Ablation's settings with one text for each anchor picture; refused before any is drawn."""
    own = dict(own)
    texts, model = texts_of(own.pop("anchors"), own.pop("pictures", None)), generator.backbone
    nothing = torch.zeros(len(texts), *model.latent_shape(*model.size))
    with CA(model, anchors=texts, latents=nothing, **own):
        pass
    return own | {"anchors": texts}
