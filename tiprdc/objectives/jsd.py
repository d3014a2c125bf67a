"""Jensen-Shannon lower bound on the dependence of x and z: the paper's signal to keep information.

    J = E_joint[-softplus(-T)] - E_product[softplus(T)]

Source: Nowozin et al. 2016; Hjelm et al. 2019 (Deep InfoMax); Li et al. 2020 (TIPRDC).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def jsd(joint: Tensor, product: Tensor, weight: Tensor | None = None) -> Tensor:
    """J, a training signal; it is not in nats.

    Args:
        joint: Scores of true triples `[B, ...]`.
        product: Scores of triples with another record `[R, B, ...]`.
        weight: `[B, ...]`, the weight of each score; None for equal weights.

    Returns:
        A scalar <= 0; exactly -2 log 2 for a critic whose scores are all 0.
    """
    true, false = -F.softplus(-joint), -F.softplus(product)
    if weight is None:
        return true.mean() + false.mean()
    total = weight.sum().clamp(min=1)
    return (true * weight).sum() / total + (false.mean(0) * weight).sum() / total
