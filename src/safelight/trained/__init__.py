"""Floor 4: from a model to a small file that takes something out of it, with a record and a page."""

from safelight.trained.session import Trained, train

__all__ = ["Trained", "train"]
