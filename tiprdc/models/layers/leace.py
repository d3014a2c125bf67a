"""LEACE: an affine map after which no *linear* attacker finds u in the fitted features.

    z' = m + S^(1/2) (I - Q Q^T) S^(-1/2) (z - m)

m and S are mean and covariance of z, Q spans the columns of S^(-1/2) Cov(z, u). Theorem: Cov(z', u)
is 0. On the fitted records no linear or logistic regression of u on z' has a smaller loss than the
best constant guess, for any convex loss; and no other affine map with that property changes z less
in the mean square. The theorem does not cover attackers that are not linear. It holds for other
people only as far as their covariances equal those of the fitted ones.

Why two matrices and not their product: z' has fewer directions than z. A single matrix, rounded to
32 bits, leaves a trace of the erased directions where nothing else is, and an attacker who whitens
in 64 bits finds it. With two matrices every feature is computed from whitened numbers without the
erased directions, and such an attacker amplifies only their rounding.

Source: Belrose et al. 2023 (LEACE); the two factors are ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_MIN_VARIANCE = 1e-10
"""Directions with a smaller variance, as a share of the largest, are treated as absent."""
_MIN_COVARIANCE = 1e-10
"""Covariances of whitened features with u up to this are rounding."""


class LeaceLayer(nn.Module):
    """Features `[B, D]` -> features `[B, D]`; the identity in training and before `fit`.

    Args:
        width: D; memory grows with its square.
    """

    mean: Tensor
    inward: Tensor
    outward: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("inward", torch.eye(width))
        self.register_buffer("outward", torch.eye(width))

    def forward(self, z: Tensor) -> Tensor:
        if self.training:
            return z
        return self.mean + (z - self.mean) @ self.inward @ self.outward

    @torch.no_grad()
    def fit(self, z: Tensor, u: Tensor) -> None:
        """Erase all linear information about u in these features; computed in 64 bits.

        Args:
            z: Features `[N, D]`, the input of this layer, N > D.
            u: One-hot private attributes, joined `[N, K]`; all of them are erased.
        """
        z, u = z.double(), u.double()
        mean = z.mean(0)
        variance, axes = torch.linalg.eigh((z - mean).T @ (z - mean) / len(z))
        present = variance > _MIN_VARIANCE * variance.max()
        deviation, axes = variance[present].sqrt(), axes[:, present]
        whiten = axes / deviation
        covariance = ((z - mean) @ whiten).T @ (u - u.mean(0)) / len(z)
        directions, strength, _ = torch.linalg.svd(covariance)
        remaining = directions[:, int((strength > _MIN_COVARIANCE).sum()) :]
        self.mean.copy_(mean)
        # Padded with zeros to D, so that the shape in a checkpoint is fixed.
        self.inward.zero_()[:, : remaining.shape[1]] = (whiten @ remaining).to(self.inward)
        self.outward.zero_()[: remaining.shape[1]] = (remaining.T * deviation @ axes.T).to(
            self.outward
        )
