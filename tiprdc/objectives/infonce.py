"""InfoNCE: a lower bound on mutual information by picking the true record among R + 1.

    I = E[T - log sum_j exp(T_j)] + log(1 + R)        over the true record and R others

A lower bound in nats with a small variance. It never exceeds log(1 + R), however large the mutual
information is.

Source: van den Oord et al. 2018 (CPC); Poole et al. 2019 for the bound and its ceiling.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def infonce(joint: Tensor, product: Tensor, weight: Tensor | None = None) -> Tensor:
    """A lower bound on mutual information in nats, to be maximised.

    Args:
        joint: Scores of true triples `[B, ...]`.
        product: Scores of triples with another record `[R, B, ...]`, R >= 1.
        weight: `[B, ...]`, the weight of each score; None for equal weights.

    Returns:
        A scalar <= log(1 + R); exactly 0 for a critic with one score for all triples.
    """
    candidates = torch.cat([joint[None], product])
    bound = joint - candidates.logsumexp(0) + math.log(len(candidates))
    if weight is None:
        return bound.mean()
    return (bound * weight).sum() / weight.sum().clamp(min=1)
