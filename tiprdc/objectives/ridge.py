"""Hide from an adversary that is solved exactly in every batch.

Kernel ridge regression of u on z, fitted on one half of a batch and scored on the other, both ways.
Its held-out explained variance is the leak: an adversary in closed form never lags behind the
extractor, and the held-out score does not reward memorising the batch.

    alpha = (K_ff + n r I)^-1 (U_f - mean U_f),    R^2 = 1 - |U_s - mean U_f - K_sf alpha|^2 / Var U_s

with K the mean of Gaussian kernels around the median distance, plus a linear kernel.

Source: Sarafian et al. / OptNet-ARL (Sadeghi et al. 2021), Kernel-ARL (Sadeghi et al. 2019); the split
of the batch is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SCALES = (0.5, 1.0)
_LINEAR = 0.3


def explained_variance(z: Tensor, u: Tensor, *, ridge: float) -> Tensor:
    """Held-out R^2 of the closed-form adversary, averaged over both halves.

    Args:
        z: Features `[B, D]`, B >= 4.
        u: One-hot private attribute `[B, K]`, float.
        ridge: Regularisation per fitted record, > 0.

    Returns:
        A scalar <= 1; around or below 0 where the adversary learns nothing.
    """
    half = len(z) // 2
    first, second = (z[:half], u[:half]), (z[half:], u[half:])
    return (_score(*first, *second, ridge) + _score(*second, *first, ridge)) / 2


def _score(z_fit: Tensor, u_fit: Tensor, z: Tensor, u: Tensor, ridge: float) -> Tensor:
    bandwidth = (
        torch.cdist(z_fit.detach(), z_fit.detach()).square().median().clamp(min=1e-6)
    )
    system = _kernel(z_fit, z_fit, bandwidth)
    system = system + ridge * len(z_fit) * torch.eye(
        len(z_fit), device=z.device, dtype=z.dtype
    )
    mean = u_fit.mean(0)
    guess = mean + _kernel(z, z_fit, bandwidth) @ torch.linalg.solve(
        system, u_fit - mean
    )
    residual = (u - guess).square().mean()
    return 1 - residual / (u - u.mean(0)).square().mean().clamp(min=1e-6)


def _kernel(a: Tensor, b: Tensor, bandwidth: Tensor) -> Tensor:
    distance = a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T
    distance = distance.clamp(min=0)
    gaussian = sum(torch.exp(-distance / (2 * s * s * bandwidth)) for s in _SCALES)
    return gaussian / len(_SCALES) + _LINEAR * a @ b.T / a.shape[1]
