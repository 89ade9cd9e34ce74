"""A lock among processes, and what becomes of it when its holder is killed."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

from forks import killed, started

from safelight.store.alone import alone


def test_the_second_waits_for_the_first_and_a_killed_one_holds_nobody_up(tmp_path: Path):
    lock, said = tmp_path / "folder" / "lock", tmp_path / "said"
    holder = started(partial(hold, lock, said))
    while not said.exists():
        time.sleep(0.01)
    waiter = started(partial(note, lock, said))
    time.sleep(0.2)
    assert said.read_text() == "held"
    os.kill(holder, signal.SIGKILL)
    assert killed(holder)
    assert not killed(waiter)
    assert said.read_text() == "held, then free"


def hold(lock: Path, said: Path) -> None:
    with alone(lock):
        said.write_text("held")
        time.sleep(60)


def note(lock: Path, said: Path) -> None:
    with alone(lock):
        said.write_text(said.read_text() + ", then free")
