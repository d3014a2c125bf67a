"""Discriminator gradient flow: features moved, round by round, against what a network reads of u.

    z <- (z - s_r sum_k (p_k(z0) - 1/K) grad_z l_rk(z) - m_r) / d_r           r = 1 ... R

l_r are the logits of a residual perceptron that learnt u from the features that round r gets, under
the noise of the release; p is what the transport's perceptrons guess of u on the record's own
features. A step is small, and every round has a network of its own: no adversary has to be
outrun, and features stay near those that a record had.

Source: Ansari, Ang and Soh 2021 (ICLR), who refine samples of a generator; here the classes of u
are moved towards each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from tiprdc.models.layers.discriminator import Discriminator


class Round(nn.Module):
    """One step: features `[B, D]` and centred guesses `[B, K]` -> features `[B, D]`.

    Args:
        width: D.
        out: K, classes of all attributes.
    """

    step: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.discriminator = Discriminator(width, out)
        self.register_buffer("step", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(()))

    @property
    def is_idle(self) -> bool:
        """Whether it moves nobody."""
        return not bool(self.step)

    def forward(self, z: Tensor, guesses: Tensor) -> Tensor:
        moved = z - self.step * self.discriminator.gradient(z, guesses)
        return (moved - self.mean) / self.deviation


class Flow(nn.Module):
    """Features `[B, D]` and what is guessed of u -> features `[B, D]` of mean power 1.

    It starts as the identity.

    Args:
        width: D.
        classes: Number of classes of each private attribute.
        rounds: R.
    """

    def __init__(self, width: int, classes: Sequence[int], rounds: int) -> None:
        super().__init__()
        self.rounds = nn.ModuleList(Round(width, sum(classes)) for _ in range(rounds))
        self.rounds.requires_grad_(False)

    def forward(self, z: Tensor, posterior: Tensor) -> Tensor:
        """Move features.

        Args:
            z: `[B, D]`.
            posterior: Probabilities of each attribute's classes, joined `[B, K]`, less those of
                the uniform guess.
        """
        for step in self.rounds:
            z = step(z, posterior)
        return z

    def fold(self) -> None:
        """Leave out rounds that move nobody, once training is over."""
        self.rounds = nn.ModuleList(step for step in self.rounds if not cast(Round, step).is_idle)

    def round(self, number: int) -> Round:
        """Round `number`, from 0."""
        return cast(Round, self.rounds[number])
