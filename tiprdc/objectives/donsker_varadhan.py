"""Donsker-Varadhan lower bound on mutual information: tight, with a large variance.

    I = E_joint[T] - log E_product[exp T]

Positions of a record (`...` below) are one more coordinate of both distributions, with the same
law, so one logarithm over all of them bounds the mean over positions and uses the most samples.

The expected logarithm of a batch's mean is below the logarithm of the true mean, so a small batch
overestimates, by about the variance of exp(T) / E[exp T] over twice the number of products. MINE's
moving average corrects the gradient, not the value, and needs a state; it is not used here.

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
        product: Scores of triples with another record `[R, B, ...]`, R >= 1.
        weight: `[B, ...]`, the weight of each score, some above 0; None for equal weights.

    Returns:
        A scalar; exactly 0 for a critic with one score for all triples.
    """
    if weight is None:
        return joint.mean() - (product.flatten().logsumexp(0) - math.log(product.numel()))
    # log 0 = -inf takes a product out of the sum.
    total = weight.sum()
    weighted = (product + weight.log()).flatten().logsumexp(0)
    return (joint * weight).sum() / total - (weighted - (len(product) * total).log())
