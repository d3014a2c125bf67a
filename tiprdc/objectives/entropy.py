"""Hide by maximising the entropy of the adversary's output: a bounded objective.

The paper's cross-entropy rewards an adversary that is confidently *wrong*, which an attacker
inverts. The entropy of the adversary's output is largest at the uniform guess.

Source: Roy & Boddeti 2019 (MaxEnt-ARL).
"""

from __future__ import annotations

import math

from torch import Tensor


def certainty(logits: Tensor) -> Tensor:
    """1 - H(output) / log K, averaged: what the extractor minimises.

    Args:
        logits: The adversary's outputs `[B, K]`.

    Returns:
        A scalar in [0, 1]: 0 if every output is uniform, 1 if every output is certain.
    """
    log_p = logits.log_softmax(1)
    return 1 + (log_p.exp() * log_p).sum(1).mean() / math.log(logits.shape[1])
