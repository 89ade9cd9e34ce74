"""Records and pictures on disk."""

from safelight.store.store import NotStored, Store

__all__ = ["NotStored", "Store"]
