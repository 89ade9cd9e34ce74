"""The second oracle, of another architecture and seed: where it disagrees with the first, one of them is
wrong.
"""

from __future__ import annotations

from safelight.miniature import weights
from safelight.miniature.judge import OracleJudge


def oracle_b() -> OracleJudge:
    """Oracle B, residual blocks with group normalisation. Policies do not use it, so it can judge what they
    did.
    """
    return OracleJudge("oracle-b", weights.oracle("B"))
