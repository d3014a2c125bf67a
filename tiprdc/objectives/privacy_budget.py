"""The privacy budget: adjusts the weight of hiding so that an attacker just stays in the budget.

To keep as much as possible while an attacker stays within a budget is a constrained problem. Its
multiplier, the weight of hiding, is found during training (dual ascent): it grows while the leak is
above the allowed value, and falls while it is below. One setting then fits an attribute that is
easy to hide and one that is not.

    log m  <-  log m + rate * clip(r2 / allowed - 1, -1, 1)

`r2` is the held-out squared correlation of the kernel adversary's guess with u, minus that of the
same guess with shuffled labels: 0 on average without a leak, for any batch.

Source: Platt & Barr 1987, Cotter et al. 2019 (constraints by dual ascent); Chen et al. 2024 (MaSS)
for budgets instead of weights.
"""

from __future__ import annotations

from statistics import NormalDist

import torch
from torch import Tensor, nn

_MIN, LARGEST = 0.05, 20.0
_HEADROOM = 4.5
"""Ratio of the squared correlation that fresh attackers reach to that of the kernel adversary with
memory: roughly, on generated faces (docs/method.md)."""


class PrivacyBudget(nn.Module):
    """One multiplier for each private attribute, 1 at the start.

    Args:
        classes: K of each attribute.
        budget: Balanced accuracy above the best guess that an attacker may reach, > 0 to 0.5.
        rate: Largest step of log m; 0 keeps the multipliers at 1.
    """

    multiplier: Tensor

    def __init__(self, classes: list[int], budget: float, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.allowed = [allowed_r2(budget, k) for k in classes]
        self.register_buffer("multiplier", torch.ones(len(classes)))

    @torch.no_grad()
    def update(self, attribute: int, r2: Tensor) -> None:
        """One step of the dual ascent.

        Args:
            attribute: Number of the attribute.
            r2: Scalar, of this batch.
        """
        error = (r2.detach() / self.allowed[attribute] - 1).clamp(-1, 1)
        multiplier = self.multiplier[attribute]
        multiplier.copy_((multiplier * torch.exp(self.rate * error)).clamp(_MIN, LARGEST))


def allowed_r2(budget: float, classes: int) -> float:
    """R^2 that the kernel adversary may reach so that a fresh attacker stays in the budget.

    An attacker who predicts by the sign of a Gaussian guess with correlation rho to u, of two equal
    classes, is right with probability Phi(rho / sqrt(1 - rho^2)). More classes are treated as two
    at the same fraction of the way from the best guess to certainty.

    Args:
        budget: Balanced accuracy above the best guess, > 0.
        classes: K >= 2.

    Returns:
        A squared correlation, > 0 to 1 / 4.5.
    """
    share = min(budget / (1 - 1 / classes), 0.999)
    distance = NormalDist().inv_cdf(0.5 + share / 2) ** 2
    return distance / (1 + distance) / _HEADROOM
