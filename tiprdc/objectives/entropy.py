"""Hide by making the adversary unsure: a bounded objective.

The paper's cross-entropy rewards an adversary that is confidently *wrong*, and an attacker inverts
that. The entropy of the adversary's answer has its best value at the uniform guess.

Source: Roy & Boddeti 2019 (MaxEnt-ARL).
"""

from __future__ import annotations

import math

from torch import Tensor


def certainty(logits: Tensor) -> Tensor:
    """1 - H(answer) / log K, averaged: what the extractor makes small.

    Args:
        logits: The adversary's answers `[B, K]`.

    Returns:
        A scalar in [0, 1]: 0 where every answer is uniform, 1 where every answer is certain.
    """
    log_p = logits.log_softmax(1)
    return 1 + (log_p.exp() * log_p).sum(1).mean() / math.log(logits.shape[1])
