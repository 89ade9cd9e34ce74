"""Blocks of pictures drawn and read by worker processes, to the same bytes whatever their number."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator as Iteration
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from safelight.core.errors import BadInput, SafelightError
from safelight.diffusion.generator import Generator
from safelight.diffusion.load import load
from safelight.diffusion.sampling import Sampling
from safelight.miniature import oracle as oracles
from safelight.miniature.build.card_figures import Read

MOST = 8  # processes; each holds about half a gigabyte


@dataclass(frozen=True)
class Block:
    """Pictures that are denoised together: one block of the generator, so that its bytes are its own."""

    prompts: Sequence[str]
    seeds: Sequence[int]
    guidance: float


@dataclass(frozen=True)
class Seen:
    """A block's pictures and what both oracles read in them."""

    images: UInt8[np.ndarray, "n 64 64 3"]
    read: Read


class Reader:
    """Draws and reads blocks, with the oracles that lie in the generator's own folder."""

    def __init__(self, generator: Generator) -> None:
        self.generator, self.folder = generator, folder_of(generator)
        self.a, self.b = (oracles.load(self.folder / "oracle" / f"{x}.safetensors") for x in "ab")

    def __call__(self, block: Block) -> Seen:
        sampling = replace(self.generator.sampling, guidance=block.guidance)
        pictures = self.generator.run(block.prompts, block.seeds, sampling=sampling)
        if failed := [p.detail for p in pictures if p.image is None]:
            raise BadInput(f"{len(failed)} of {len(pictures)} pictures failed: {failed[0]}")
        images = np.stack([p.image for p in pictures if p.image is not None])
        a, b = ({head: p.numpy() for head, p in net.read(images).items()} for net in (self.a, self.b))
        return Seen(images, Read(a, b))


def cores() -> int:
    """Processes that this machine can use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MOST)


def see(generator: Generator, blocks: Sequence[Block], processes: int) -> Iteration[Seen]:
    """What is seen in each block, in their order; every process works with one thread.

    With one process the work is done in this one, and so it is where the model is not on the CPU.
    """
    if processes == 1 or generator.backbone.device.type != "cpu":
        reader = Reader(generator)
        with one_thread():
            yield from map(reader, blocks)
        return
    pool = ProcessPoolExecutor(
        min(processes, len(blocks)),
        multiprocessing.get_context("spawn"),  # a fork would inherit torch's threads in a broken state
        _start,
        (folder_of(generator), generator.sampling),
    )
    try:
        yield from pool.map(_see, blocks)
    except BrokenProcessPool as error:
        raise SafelightError("a process that drew pictures was killed: is there enough memory?") from error
    finally:
        pool.shutdown(cancel_futures=True)


def folder_of(generator: Generator) -> Path:
    if generator.folder is None:
        raise BadInput(f"'{generator.name}' has no folder, where a card finds its oracles: load it from one")
    return generator.folder


@contextmanager
def one_thread() -> Iteration[None]:
    """Two threads round differently from one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_readers: list[Reader] = []  # a worker's own


def _start(folder: Path, sampling: Sampling) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a worker without a word
    torch.set_num_threads(1)
    generator = load(folder, device="cpu", dtype=sampling.dtype)
    generator.sampling = sampling
    _readers.append(Reader(generator))


def _see(block: Block) -> Seen:
    return _readers[0](block)
