"""The one door for every user's picture: hard stop, policy, generator, checks, record, release."""

from safelight.guarded.release import Guarded, Result
from safelight.guarded.request import generate, stream

__all__ = ["Guarded", "Result", "generate", "stream"]
