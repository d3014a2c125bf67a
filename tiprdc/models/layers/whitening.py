"""Whitening: decorrelate features and bring every direction to variance 1.

Under an adversary a network hides the attribute in directions of little variance: adversaries on
standardised columns overlook them, an attacker who whitens does not. Whitened features have no such
directions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tiprdc.distributed import SINGLE_PROCESS, BatchGroup
from tiprdc.models.precision import exact_products

_MIN_VARIANCE = 3e-3
"""Least variance of a direction, as a share of the mean, that whitening brings up to 1."""


class Whitening(nn.Module):
    """Features `[B, D]` -> features with mean 0, variance 1 and no correlation `[B, D]`.

    Mean and covariance are running statistics. In evaluation this is one linear map.

    Args:
        width: D.
        momentum: Share of a batch in the running mean and covariance.
    """

    group: BatchGroup = SINGLE_PROCESS
    mean: Tensor
    covariance: Tensor
    transform: Tensor

    def __init__(self, width: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.folded = False
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("covariance", torch.eye(width))
        self.register_buffer("transform", torch.eye(width))

    def forward(self, h: Tensor) -> Tensor:
        if self.folded:
            return h
        # Half precision ends here: whitening would amplify its rounding.
        with torch.autocast(h.device.type, enabled=False), exact_products():
            h = h.float()
            if self.training:
                self._update(*self.group.all_gather(h.detach()))
            return (h - self.mean) @ self.transform

    @torch.no_grad()
    def _update(self, h: Tensor) -> None:
        self.mean.lerp_(h.mean(0), self.momentum)
        centred = h - self.mean
        self.covariance.lerp_(centred.T @ centred / len(h), self.momentum)
        variance, axes = torch.linalg.eigh(self.covariance)
        floor = _MIN_VARIANCE * variance.mean()
        self.transform.copy_((axes * variance.clamp(min=floor).rsqrt()) @ axes.T)

    @torch.no_grad()
    def fold_into(self, linear: nn.Linear) -> None:
        """Multiply this map into the layer before it; from then on this one does nothing.

        Two linear maps in turn round the output of the first, mean and strong directions included,
        and the second amplifies that rounding up to 50 times in the weak directions. Their product
        is made in float64 and rounded once.
        """
        if self.folded:
            return
        transform = self.transform.double()
        bias = (linear.bias.double() - self.mean.double()) @ transform
        linear.weight.copy_(transform.T @ linear.weight.double())
        linear.bias.copy_(bias)
        self.folded = True
        # The statistics of the training set are not published.
        del self.mean, self.covariance, self.transform
