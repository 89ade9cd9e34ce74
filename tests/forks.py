"""Processes that are forked to be killed: the libraries are imported once."""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path

MOMENTS = ("half", "whole", "replaced")
"""Of a write: the file is half there, it is whole beside its place, it is in its place."""


def started(work: Callable[[], None], moment: str = "", write: int = 0) -> int:
    """The process id of a fork that does the work; with a moment it kills itself there, in the write of this
    number."""
    if pid := os.fork():
        return pid
    try:
        if moment:
            die(moment, write)
        work()
        os._exit(0)  # never back into the code of the process that was forked
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def die(moment: str, write: int) -> None:
    done, replace = count(), os.replace

    def replaced(source: str | Path, target: str | Path) -> None:
        if next(done) == write:
            if moment == "half":
                os.truncate(source, os.path.getsize(source) // 2)
            if moment == "replaced":
                replace(source, target)
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    os.replace = replaced


def killed(pid: int) -> bool:
    """Waits for a process. Raises RuntimeError if it failed."""
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a process ended with {status}")
    return status != 0


def struck(work: Callable[[], None], seconds: float, rng: random.Random) -> bool:
    """Whether a fork that does the work was killed at a random moment of so many seconds."""
    pid = started(work)
    time.sleep(rng.uniform(0, seconds))
    os.kill(pid, signal.SIGKILL)
    return killed(pid)
