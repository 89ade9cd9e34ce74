"""The miniature's oracle: reads every attribute of a drawn picture, exact to its measured error."""

from __future__ import annotations

from safelight.miniature import weights
from safelight.miniature.judge import OracleJudge


def oracle() -> OracleJudge:
    """Oracle A, convolutions with batch normalisation: the judge of the miniature's tasks and policies."""
    return OracleJudge("oracle", weights.oracle("A"))
