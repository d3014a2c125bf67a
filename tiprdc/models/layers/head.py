"""The head: a small residual perceptron from a trunk's features to the features that are released.

It starts as the identity and is trained last, on cached features of all people, against adversaries
that see all of them (tiprdc/training/head/training.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tiprdc.distributed import SINGLE_PROCESS, BatchGroup

_MOMENTUM = 0.05


class Head(nn.Module):
    """Trunk's features `[B, D]` -> features `[B, D]` of mean power 1.

        z = h / sqrt(E[h^2]),        h = A z0 + g(z0)        E over batch and columns

    The power is that of all columns together, so that the head chooses how far each direction is
    above the noise of the release. It is a running mean; in evaluation it is a constant.

    Args:
        width: D.
        hidden: Units of each of the two hidden layers of g.
    """

    group: BatchGroup = SINGLE_PROCESS
    power: Tensor

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.residual = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(),
            nn.Linear(hidden, hidden), nn.GELU(),
            nn.Linear(hidden, width),
        )  # fmt: skip
        nn.init.eye_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        last = self.residual[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.register_buffer("power", torch.ones(()))

    def forward(self, z0: Tensor) -> Tensor:
        h: Tensor = self.linear(z0) + self.residual(z0)
        if not self.training:
            return h * self.power.rsqrt()
        mean, variance = self.group.moments(*_row_moments(h))
        power = mean.square() + variance
        self.power.lerp_(power.detach()[0], _MOMENTUM)
        return h * power.rsqrt()


def _row_moments(h: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance `[1]` of all numbers of this worker's part; divided by their number."""
    return h.mean()[None], h.var(correction=0)[None]
