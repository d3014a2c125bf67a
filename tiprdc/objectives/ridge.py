"""Hide from an adversary that is solved exactly in every batch.

Kernel ridge regression of u on z. Its explained variance on records that it was not fitted on is
the leak: an adversary in closed form never lags behind the extractor, and the held-out score does
not reward memorising.

    alpha = (K_ff + r I)^-1 (U_f - mean U_f)
    R^2   = 1 - |U_s - mean U_f - K_sf alpha|^2 / |U_s - mean U_s|^2

K is the mean of Gaussian kernels around the median distance, plus a linear kernel. The best of
several regularisations r counts: a small one sees a strong and intricate leak, a large one the
faint remains that a small one drowns in its own variance.

Source: Sadeghi et al. 2019 (Kernel-ARL) and 2021 (OptNet-ARL) for the closed form; the held-out
score, the choice among regularisations and the memory are ours.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_SCALES = (0.5, 1.0)
_LINEAR = 0.3
_HALF_BATCH_RIDGES = (0.1, 1.0, 10.0)
_MEMORY_RIDGES = (0.1,)


class Labelled(NamedTuple):
    """Features `[N, D]` and their one-hot private attribute `[N, K]`."""

    z: Tensor
    u: Tensor


def explained_variance(batch: Labelled) -> Tensor:
    """Fitted on one half of the batch and scored on the other, both ways, averaged.

    The gradient flows through the fit too: the extractor learns what the adversary will do next.

    Args:
        batch: B >= 4 records.

    Returns:
        A scalar <= 1; around or below 0 where the adversary learns nothing.
    """
    half = len(batch.z) // 2
    first = Labelled(batch.z[:half], batch.u[:half])
    second = Labelled(batch.z[half:], batch.u[half:])
    return (_score(first, second) + _score(second, first)) / 2


class Remembered:
    """The adversary fitted on the features of earlier batches.

    Twenty times the records see far fainter leaks. The fit takes no gradient, and is worth keeping
    for some steps: its cost grows with the cube of the records, that of its scores not at all.

    Args:
        memory: N >= 4 records, cut off from the graph.
    """

    @torch.no_grad()
    def __init__(self, memory: Labelled) -> None:
        self.z, self.mean = memory.z.clone(), memory.u.mean(0)
        self.bandwidth = _bandwidth(self.z)
        systems = _systems(self.z, self.bandwidth, _MEMORY_RIDGES)
        self.weights = torch.cholesky_solve(memory.u - self.mean, torch.linalg.cholesky(systems))

    def explained_variance(self, batch: Labelled) -> Tensor:
        """Scored on a batch of B >= 2 records; returns as the function of this name."""
        asked = _kernel(batch.z, self.z, self.bandwidth)
        return _best(self.mean + asked @ self.weights, batch.u)


def _score(fitted: Labelled, asked: Labelled) -> Tensor:
    bandwidth, mean = _bandwidth(fitted.z), fitted.u.mean(0)
    systems = _systems(fitted.z, bandwidth, _HALF_BATCH_RIDGES)
    weights = torch.linalg.solve(systems, (fitted.u - mean).expand(len(systems), -1, -1))
    return _best(mean + _kernel(asked.z, fitted.z, bandwidth) @ weights, asked.u)


def _systems(z: Tensor, bandwidth: Tensor, ridges: tuple[float, ...]) -> Tensor:
    """K + r I for each r `[R, N, N]`."""
    r = torch.tensor(ridges, device=z.device, dtype=z.dtype)[:, None, None]
    return _kernel(z, z, bandwidth) + r * torch.eye(len(z), device=z.device, dtype=z.dtype)


def _best(guess: Tensor, u: Tensor) -> Tensor:
    """The largest R^2 over the guesses `[R, N, K]`."""
    residual = (u - guess).square().mean((1, 2))
    return torch.max(1 - residual / (u - u.mean(0)).square().mean().clamp(min=1e-6))


def _bandwidth(z: Tensor) -> Tensor:
    some = z[:256].detach()
    return _squared_distance(some, some).median().clamp(min=1e-6)


def _kernel(a: Tensor, b: Tensor, bandwidth: Tensor) -> Tensor:
    distance = _squared_distance(a, b) / bandwidth
    gaussian = torch.stack([torch.exp(-distance / (2 * scale**2)) for scale in _SCALES]).mean(0)
    return gaussian + _LINEAR * a @ b.T / a.shape[1]


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    return (a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T).clamp(min=0)
