"""The record of one request: written first, then released; what cannot be written is blocked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from safelight.core.nouns import Decision, Outcome, Status
from safelight.core.records import Run, Sample, canonical, digest
from safelight.guarded.decide import stopped
from safelight.guarded.release import Guarded
from safelight.guarded.stages import Ask, unmade
from safelight.policies import Bound
from safelight.store import Store


def run_row(
    run: str,
    command: str,
    name: str,
    protocol: Mapping[str, Any],
    bound: Bound,
    asked: Sequence[Ask],
    n: int,
    seed: int,
) -> Run:
    """The row of a request to the model `name`. Texts only where the policy keeps them; none that the hard
    stop refused. protocol: what decides the bytes, but for the threads, which are this process's."""
    protocol = {**protocol, "threads": torch.get_num_threads()}
    texts = [None if stopped(ask.decisions) else ask.user for ask in asked if ask.k == 0]
    config = {
        **protocol, "command": command, "name": name, "policy": bound.policy, "n": n, "seed": seed,
        "prompts": texts if bound.policy.keep_prompts else len(texts),
    }  # fmt: skip
    versions = {package: version(package) for package in ("safelight", "torch", "diffusers", "transformers")}
    return Run(run, canonical(config), digest(protocol), "", versions, "running")


class Record:
    """One run in a store. Rows and pictures of a block are on disk when `release` returns.

    texts: whether it may hold what prompts say, as the policy's `keep_prompts`.
    """

    def __init__(self, store: Store, run: Run, texts: bool):
        self.store, self.run, self.texts, self.begun = store, run, texts, False

    def release(
        self, pictures: Sequence[Guarded], pixels: Sequence[np.ndarray | None], block: int
    ) -> list[Guarded]:
        """The pictures of a block; blocked, all of them, if anything keeps their rows from being written.

        pixels: what was generated, before it was blurred, replaced or withheld.
        """
        try:
            samples = [self._sample(p, made, block) for p, made in zip(pictures, pixels, strict=True)]
            decisions = [self._kept(decision) for picture in pictures for decision in picture.decisions]
            self._write(samples, decisions)
        except Exception as error:  # whatever it was: nothing of this block is on record
            blocked = [_unrecorded(picture, error) for picture in pictures]
            with suppress(Exception):  # perhaps it was one of the rows, or the folder of pictures alone
                samples = [self._sample(picture, None, block) for picture in blocked]
                self._write(samples, [picture.decisions[-1] for picture in blocked])
            return blocked
        return list(pictures)

    @contextmanager
    def drawing(self, asked: Sequence[Ask], maker: str, block: int) -> Iterator[None]:
        """What raises in this block of code keeps its pictures from being made, and is on record when it
        leaves."""
        try:
            yield
        except Exception as error:
            self.release(unmade(asked, maker, error), [None] * len(asked), block)
            raise

    def close(self, status: str) -> None:
        """How the run ended, if it could be written at all."""
        if self.begun:
            with suppress(Exception):  # every released picture has its rows; only this word is missing
                self.store.finish(self.run.id, status)

    def _write(self, samples: Sequence[Sample], decisions: Sequence[Decision]) -> None:
        self.store.add(*([] if self.begun else [self.run]), *samples, *decisions)
        self.begun = True

    def _kept(self, decision: Decision) -> Decision:
        """Without the words that a prompt was read as."""
        if self.texts:
            return decision
        evidence = {key: value for key, value in decision.evidence.items() if key != "interpretation"}
        return replace(decision, evidence=evidence)

    def _sample(self, picture: Guarded, made: np.ndarray | None, block: int) -> Sample:
        """Keeps the picture that is released, or that waits for a person; a blocked one is kept nowhere."""
        kept = made if picture.outcome is Outcome.REVIEW else picture.image
        stored = None if kept is None else self.store.images.put(np.asarray(kept))
        return Sample(
            picture.sample, self.run.id, "generate", picture.row, picture.k, picture.seed, block,
            digest(picture.prompt), stored, _status(picture, made), picture.ms,
        )  # fmt: skip


def _status(picture: Guarded, made: np.ndarray | None) -> Status:
    """skipped: stopped at the prompt; failed: generated, but unusable."""
    if made is not None:
        return "ok"
    return "failed" if any(decision.stage == "image" for decision in picture.decisions) else "skipped"


def _unrecorded(picture: Guarded, error: Exception) -> Guarded:
    reason = f"its decisions could not be written: {error}"
    last = Decision(picture.sample, "image", "record", "store", Outcome.BLOCK, reason, status="failed")
    return replace(picture, image=None, outcome=Outcome.BLOCK, decisions=(*picture.decisions, last))
