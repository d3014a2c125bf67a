"""Optimal transport between classes: features whose mean and covariance tell nothing of u.

    z = sum_k p_k(z0) M_k (z0 - m_k)

p is what perceptrons guess of u on the record's own features, m_k and C_k are mean and covariance
of class k, and M_k is the optimal transport of the Gaussian N(m_k, C_k) to the classes' barycentre,
followed by whitening. Each class keeps what it tells of everything else, since M_k has an inverse.
What differs beyond mean and covariance is the head's work.

Source: Gaussian optimal transport of Dowson and Landau 1982; barycentre of Alvarez-Esteban et al.
2016 (fixed point).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

FOLDS = 2
"""Perceptrons that guess a class, each from the others' people."""
_HIDDEN = 256
_DROPOUT = 0.3


class Transport(nn.Module):
    """Features `[B, D]` -> features `[B, D]`: one attribute after the other.

    It starts as the identity.

    Args:
        width: D.
        classes: Number of classes of each private attribute.
    """

    def __init__(self, width: int, classes: Sequence[int]) -> None:
        super().__init__()
        self.attributes = nn.ModuleList(ClassTransport(width, number) for number in classes)

    def forward(self, z: Tensor) -> Tensor:
        for attribute in self.attributes:
            z = attribute(z)
        return z


class ClassTransport(nn.Module):
    """Moves the classes of one attribute onto each other: features `[B, D]` -> `[B, D]`.

    Args:
        width: D.
        classes: K.
    """

    mean: Tensor
    maps: Tensor

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.guesses = nn.ModuleList(_perceptron(width, classes) for _ in range(FOLDS))
        self.guesses.requires_grad_(False)
        self.register_buffer("mean", torch.zeros(classes, width))
        self.register_buffer("maps", torch.eye(width).repeat(classes, 1, 1))

    def forward(self, z: Tensor) -> Tensor:
        logits = [guess(z) for guess in self.guesses]
        return self.move(z, (sum(logits[1:], logits[0]) / FOLDS).softmax(1))

    def move(self, z: Tensor, posterior: Tensor) -> Tensor:
        """Features `[B, D]` of records whose classes are guessed as `[B, K]`."""
        moved = torch.zeros_like(z)
        for k in range(len(self.mean)):
            moved = moved + posterior[:, k : k + 1] * ((z - self.mean[k]) @ self.maps[k])
        return moved

    def guess(self, fold: int) -> nn.Sequential:
        """The perceptron `[B, D]` -> logits `[B, K]` that does not learn from this fold."""
        return cast(nn.Sequential, self.guesses[fold])


def _perceptron(width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, _HIDDEN), nn.GELU(), nn.Dropout(_DROPOUT),
        nn.Linear(_HIDDEN, _HIDDEN), nn.GELU(), nn.Dropout(_DROPOUT),
        nn.Linear(_HIDDEN, classes),
    )  # fmt: skip
