"""The guard: an affine map after which no *linear* attacker finds u in the fitted features.

    z' = m + S^(1/2) (I - Q Q^T) S^(-1/2) (z - m)

m and S are mean and covariance of z, Q spans the columns of S^(-1/2) Cov(z, u). Theorem: Cov(z', u)
is 0, so that on the fitted records no linear or logistic regression of u on z' has a smaller loss
than the best constant guess, for any convex loss; and no other affine map that reaches this moves z
less, in the mean square. It says nothing of attackers that are not linear, and holds for other
people only as far as their covariances are those of the fitted ones.

Why two matrices and not their product: z' has fewer directions than z. A single matrix, rounded to
32 bits, leaves a trace of the erased directions where nothing else is, plain to an attacker who
whitens in 64 bits. Here every feature is computed from whitened numbers of which none is an erased
one, and what such an attacker blows up is their rounding.

Source: Belrose et al. 2023 (LEACE); the two factors are ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_FLATTEST = 1e-10
"""Least variance of a direction, as a share of the largest, that is there at all."""
_ALIKE = 1e-10
"""Covariances with u of whitened features up to this are rounding."""


class LeaceLayer(nn.Module):
    """Features `[B, D]` -> features `[B, D]`; the identity in training and until it is fitted.

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
        """Erase what is linear of u in these features, in 64 bits.

        Args:
            z: Features `[N, D]` as they come to the guard, N > D.
            u: One-hot private attributes, joined `[N, K]`: each of them is erased.
        """
        z, u = z.double(), u.double()
        mean = z.mean(0)
        variance, axes = torch.linalg.eigh((z - mean).T @ (z - mean) / len(z))
        there = variance > _FLATTEST * variance.max()
        deviation, axes = variance[there].sqrt(), axes[:, there]
        whiten = axes / deviation
        covariance = ((z - mean) @ whiten).T @ (u - u.mean(0)) / len(z)
        directions, strength, _ = torch.linalg.svd(covariance)
        kept = directions[:, int((strength > _ALIKE).sum()) :]
        self.mean.copy_(mean)
        # Columns and rows of zeros fill up to D, so that a checkpoint has one shape.
        self.inward.zero_()[:, : kept.shape[1]] = (whiten @ kept).to(self.inward)
        self.outward.zero_()[: kept.shape[1]] = (kept.T * deviation @ axes.T).to(self.outward)
