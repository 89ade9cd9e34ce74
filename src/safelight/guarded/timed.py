"""A time limit on code that may never come back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """What `call` gives, or raises, in a thread of its own; Ctrl-C ends the wait.

    A call that is late cannot be stopped: it goes on in a thread that does not keep the process alive, and
    nobody hears its answer.

    Raises:
        TimeoutError: there was no answer in time.
    """
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # Ctrl-C included: it is the waiting thread's to handle
            answer.set_exception(error)

    Thread(target=copy_context().run, args=(work,), daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        if answer.done():  # its own
            raise
        raise TimeoutError(f"no answer within {seconds:g} s") from None
