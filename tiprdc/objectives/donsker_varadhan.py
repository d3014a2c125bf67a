"""Donsker-Varadhan lower bound on mutual information: tight, and of large variance.

    I = E_joint[T] - log E_product[exp T]

Places of a record (`...` below) are one more coordinate of both distributions, drawn alike, so one
logarithm over all of them bounds the mean over places and has the most samples under it.

The logarithm of a batch's mean lies below that of the true mean, so a small batch says too much, by
about the variance of exp(T) / E[exp T] over twice the number of products. MINE's moving average
mends its gradient, not the value, and would need a state: not here.

Source: Donsker and Varadhan 1983; Belghazi et al. 2018 (MINE); McAllester and Stratos 2020 for what
no such bound can certify.
"""

from __future__ import annotations

import math

from torch import Tensor


def donsker_varadhan(joint: Tensor, product: Tensor, weight: Tensor | None = None) -> Tensor:
    """An estimate of a lower bound on mutual information in nats, to be maximised.

    Args:
        joint: Scores of true triples `[B, ...]`.
        product: Scores of triples whose record is another one's `[R, B, ...]`, R >= 1.
        weight: `[B, ...]`, the weight of each score, some above 0; None for equal weights.

    Returns:
        A scalar; exactly 0 for a critic that scores everything alike.
    """
    if weight is None:
        return joint.mean() - (product.flatten().logsumexp(0) - math.log(product.numel()))
    # log 0 = -inf takes a product out of the sum.
    total = weight.sum()
    weighted = (product + weight.log()).flatten().logsumexp(0)
    return (joint * weight).sum() / total - (weighted - (len(product) * total).log())
