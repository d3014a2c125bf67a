"""What an adversary behind the trunk says of a batch, and its losses.

    E CE(l(z + n), u) + E |r(z + n) - record|^2

The adversary learns to read the private attributes and to predict the record
(tiprdc/models/coarse_record.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Reading(NamedTuple):
    """An adversary's output, in parts.

    Args:
        logits: Of each private attribute `[B, K]`.
        record: What it predicts of the records `[B, R]`.
        weights: Share of each attribute.
    """

    logits: tuple[Tensor, ...]
    record: Tensor
    weights: Sequence[float]

    @classmethod
    def of(cls, out: Tensor, classes: Sequence[int], weights: Sequence[float]) -> Reading:
        """The parts of an output `[B, K_1 + ... + K_A + R]`.

        Args:
            out: The output.
            classes: Number of classes of each private attribute.
            weights: Share of each attribute.
        """
        *logits, record = torch.split(out, [*classes, out.shape[1] - sum(classes)], dim=1)
        return cls(tuple(logits), record, weights)

    def cross_entropy(self, known: Tensor) -> Tensor:
        """Mean over the batch, a sum over the attributes, each times its weight, in nats.

        Args:
            known: Class numbers `[B, A]` or, with further columns behind them, more.
        """
        return self._sum(F.cross_entropy(part, known[:, i]) for i, part in enumerate(self.logits))

    def confidence(self) -> Tensor:
        """KL divergence of the uniform guess from the adversary's, weighted likewise, in nats."""
        return self._sum(-p.log_softmax(1).mean() - math.log(p.shape[1]) for p in self.logits)

    def squared_error(self, record: Tensor) -> Tensor:
        """Mean squared error of the records `[B, R]`; 0 if they have no numbers."""
        return F.mse_loss(self.record, record) if record.shape[1] else self.record.sum()

    def _sum(self, losses: Iterable[Tensor]) -> Tensor:
        pairs = zip(self.weights, losses, strict=True)
        return sum((weight * loss for weight, loss in pairs), self.record.new_zeros(()))
