"""The doors for every user's picture: hard stop, policy, generator or pipeline, checks, record, release."""

from safelight.guarded.live import Live, guard
from safelight.guarded.release import Guarded, Result
from safelight.guarded.request import Request, generate, prepare

__all__ = ["Guarded", "Live", "Request", "Result", "generate", "guard", "prepare"]
