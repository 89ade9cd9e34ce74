"""Policies: which methods steer a request and which checks may stop it, as data."""

from safelight.policies.check import Check
from safelight.policies.policy import Bound, BoundCheck, Policy, asked_of

__all__ = ["Bound", "BoundCheck", "Check", "Policy", "asked_of"]
