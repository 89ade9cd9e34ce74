"""The doors for every user's picture: hard stop, policy, generator or pipeline, checks, record, release."""

from safelight.guarded.live import Live, guard
from safelight.guarded.release import Guarded, Result
from safelight.guarded.request import generate, stream

__all__ = ["Guarded", "Live", "Result", "generate", "guard", "stream"]
