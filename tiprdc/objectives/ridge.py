"""Hide from an adversary that is solved exactly in every batch.

Kernel ridge regression of u on z, fitted on one half of a batch and scored on the other, both ways.
Its held-out explained variance is the leak: an adversary in closed form never lags behind the
extractor, and the held-out score does not reward memorising the batch.

    alpha = (K_ff + n r I)^-1 (U_f - mean U_f)
    R^2   = 1 - |U_s - mean U_f - K_sf alpha|^2 / |U_s - mean U_s|^2

K is the mean of Gaussian kernels around the median distance, plus a linear kernel. The best of
several regularisations r counts: a small one sees a strong and intricate leak, a large one the faint
remains that a small one drowns in its own variance.

Source: Sadeghi et al. 2019 (Kernel-ARL) and 2021 (OptNet-ARL) for the closed form; the split of the
batch and the choice among regularisations are ours.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SCALES = (0.5, 1.0)
_LINEAR = 0.3
_RIDGES = (1e-3, 1e-2, 1e-1)


def explained_variance(z: Tensor, u: Tensor) -> Tensor:
    """Held-out R^2 of the closed-form adversary, averaged over both halves.

    Args:
        z: Features `[B, D]`, B >= 4.
        u: One-hot private attribute `[B, K]`, float.

    Returns:
        A scalar <= 1; around or below 0 where the adversary learns nothing.
    """
    half = len(z) // 2
    first, second = (z[:half], u[:half]), (z[half:], u[half:])
    return (_score(*first, *second) + _score(*second, *first)) / 2


def _score(z_fit: Tensor, u_fit: Tensor, z: Tensor, u: Tensor) -> Tensor:
    bandwidth = _squared_distance(z_fit, z_fit).detach().median().clamp(min=1e-6)
    fitted, asked = _kernel(z_fit, z_fit, bandwidth), _kernel(z, z_fit, bandwidth)
    ridges = torch.tensor(_RIDGES, device=z.device, dtype=z.dtype)[:, None, None]
    systems = fitted + ridges * len(z_fit) * torch.eye(len(z_fit), device=z.device, dtype=z.dtype)
    mean = u_fit.mean(0)
    guess = mean + asked @ torch.linalg.solve(systems, (u_fit - mean).expand(len(_RIDGES), -1, -1))
    residual = (u - guess).square().mean((1, 2))
    total = (u - u.mean(0)).square().mean().clamp(min=1e-6)
    return torch.max(1 - residual / total)


def _kernel(a: Tensor, b: Tensor, bandwidth: Tensor) -> Tensor:
    distance = _squared_distance(a, b) / bandwidth
    gaussian = torch.stack([torch.exp(-distance / (2 * scale**2)) for scale in _SCALES]).mean(0)
    return gaussian + _LINEAR * a @ b.T / a.shape[1]


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    return (a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T).clamp(min=0)
