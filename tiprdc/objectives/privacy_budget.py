"""Press as hard as the budget demands, and no harder.

To keep as much as possible while an attacker does no better than a budget allows is a constrained
problem. Its multiplier, the weight of hiding, is found while training (dual ascent): it grows while
more shows than is allowed, and falls while less does. One setting then fits an attribute that hides
easily and one that does not.

    log m  <-  log m + rate * clip(shown / allowed - 1, -1, 1)

`shown` is the held-out squared correlation of the closed-form adversary's guess with u, less that
of the same guess with shuffled labels: 0 on average where nothing shows, whatever the batch.

Source: Platt & Barr 1987, Cotter et al. 2019 (constraints by dual ascent); Chen et al. 2024 (MaSS)
for budgets instead of weights.
"""

from __future__ import annotations

from statistics import NormalDist

import torch
from torch import Tensor, nn

_LEAST, _MOST = 0.05, 20.0
_HEADROOM = 4.5
"""How much more of u, in squared correlation, fresh attackers found than the adversary of a batch
and its memory did: roughly, on generated faces (docs/method.md)."""


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
    def update(self, attribute: int, shown: Tensor) -> None:
        """One step of the dual ascent.

        Args:
            attribute: Its number.
            shown: Scalar, of this batch.
        """
        error = (shown.detach() / self.allowed[attribute] - 1).clamp(-1, 1)
        old = self.multiplier[attribute]
        old.copy_((old * torch.exp(self.rate * error)).clamp(_LEAST, _MOST))


def allowed_r2(budget: float, classes: int) -> float:
    """What the adversary in training may explain of u if a fresh attacker is to stay in the budget.

    An attacker who decides by the sign of a Gaussian guess that correlates by rho with u of two
    equal classes is right with probability Phi(rho / sqrt(1 - rho^2)). More classes are treated as
    two at the same share of the way from the best guess to certainty.

    Args:
        budget: Balanced accuracy above the best guess, > 0.
        classes: K >= 2.

    Returns:
        A squared correlation, > 0 to 1 / 4.5.
    """
    share = min(budget / (1 - 1 / classes), 0.999)
    distance = NormalDist().inv_cdf(0.5 + share / 2) ** 2
    return distance / (1 + distance) / _HEADROOM
