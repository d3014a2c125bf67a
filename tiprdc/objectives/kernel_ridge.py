"""An adversary in closed form: kernel ridge regression of u on z, solved in every batch.

Its explained variance on records that it was not fitted on measures the leak. An adversary in
closed form never lags behind the extractor, and the held-out score does not reward memorising.

    alpha = (K_ff + r I)^-1 (U_f - mean U_f)
    guess = K_sf alpha
    R^2   = max(corr(guess, U_s), 0)^2

K is the mean of Gaussian kernels around the median distance, plus a linear kernel. The explained
variance is that of the guess after its best rescaling, since an attacker with a threshold does not
depend on the scale. 1 - |U_s - guess|^2 / |U_s|^2 is negative for a guess that is too large,
however well it ranks people, and a penalty cut off at zero would not see that leak.

The best of several regularisations r counts: a small one detects a strong, complex leak; a large
one detects a weak leak that the variance of a small one hides.

Source: Sadeghi et al. 2019 (Kernel-ARL) and 2021 (OptNet-ARL) for the closed form; the held-out
correlation, the choice among regularisations and the memory are ours.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_SCALES = (0.25, 0.5, 1.0)
_LINEAR = 0.3
_HALF_BATCH_RIDGES = (0.1, 1.0, 10.0)
_MEMORY_RIDGES = (0.1,)


class LabelledFeatures(NamedTuple):
    """Features `[N, D]` and their one-hot private attribute `[N, K]`."""

    z: Tensor
    u: Tensor


class ExplainedVariance(NamedTuple):
    """R^2 of the adversary's guess: scalars in [0, 1].

    Args:
        variance: With the true labels.
        chance: With shuffled labels and the same guess, without gradient: the mean of `variance`
            without a leak, about 2 / B.
    """

    variance: Tensor
    chance: Tensor


def explained_variance(batch: LabelledFeatures) -> ExplainedVariance:
    """R^2 by two-fold cross-fitting on one batch, averaged over both folds.

    The gradient flows through the fit too: the extractor anticipates the next fit.

    Args:
        batch: B >= 4 records.
    """
    half = len(batch.z) // 2
    first = LabelledFeatures(batch.z[:half], batch.u[:half])
    second = LabelledFeatures(batch.z[half:], batch.u[half:])
    a, b = _score(first, second), _score(second, first)
    return ExplainedVariance((a.variance + b.variance) / 2, (a.chance + b.chance) / 2)


class MemoryRidge:
    """The adversary fitted on the features of earlier batches.

    With twenty times the records it detects far weaker leaks. The fit has no gradient and is reused
    for some steps: its cost grows with the cube of the records, that of a score only linearly.

    Args:
        memory: N >= 4 records, detached.
    """

    @torch.no_grad()
    def __init__(self, memory: LabelledFeatures) -> None:
        self.z = memory.z.clone()
        self.bandwidth = _bandwidth(self.z)
        systems = _systems(self.z, self.bandwidth, _MEMORY_RIDGES)
        self.weights = _solve(systems, memory.u - memory.u.mean(0))

    def explained_variance(self, batch: LabelledFeatures) -> ExplainedVariance:
        """R^2 on a batch of B >= 2 records."""
        kernel = _kernel(batch.z, self.z, self.bandwidth)
        return _explained(kernel @ self.weights, batch.u)


def _score(train: LabelledFeatures, test: LabelledFeatures) -> ExplainedVariance:
    bandwidth = _bandwidth(train.z)
    systems = _systems(train.z, bandwidth, _HALF_BATCH_RIDGES)
    weights = _solve(systems, train.u - train.u.mean(0))
    return _explained(_kernel(test.z, train.z, bandwidth) @ weights, test.u)


def _systems(z: Tensor, bandwidth: Tensor, ridges: tuple[float, ...]) -> Tensor:
    """K + r I for each r `[R, N, N]`."""
    r = torch.tensor(ridges, device=z.device, dtype=z.dtype)[:, None, None]
    return _kernel(z, z, bandwidth) + r * torch.eye(len(z), device=z.device, dtype=z.dtype)


def _solve(systems: Tensor, targets: Tensor) -> Tensor:
    """Weights `[R, N, K]` of systems `[R, N, N]` and targets `[N, K]`; NaN if features are NaN."""
    return cast(Tensor, _Solve.apply(systems, targets.expand(len(systems), -1, -1)))


class _Solve(torch.autograd.Function):
    """Solves by Cholesky factors, which the backward pass uses again.

    `torch.linalg.solve` does not use that K + r I is positive definite, and with two threads its
    first systems of 256 rows and more failed on some processors (torch 2.14.1 with MKL). PyTorch's
    own backward through the factors costs more than solving. The factors are not checked, since
    that would wait for the device.
    """

    @staticmethod
    def forward(ctx: Any, systems: Tensor, targets: Tensor) -> Tensor:
        factors = torch.linalg.cholesky_ex(systems).L
        weights = torch.cholesky_solve(targets, factors)
        ctx.save_for_backward(factors, weights)
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        factors, weights = ctx.saved_tensors
        target_gradient = torch.cholesky_solve(gradient, factors)
        return -target_gradient @ weights.mT, target_gradient


def _explained(guess: Tensor, u: Tensor) -> ExplainedVariance:
    # Records are in random order, so labels rolled by one are shuffled labels.
    return ExplainedVariance(_best_r2(guess, u), _best_r2(guess.detach(), u.roll(1, 0)))


def _best_r2(guess: Tensor, u: Tensor) -> Tensor:
    """The largest squared positive correlation over the guesses `[R, N, K]`."""
    guess, u = guess - guess.mean(1, keepdim=True), u - u.mean(0)
    spread = guess.square().mean((1, 2)) * u.square().mean()
    correlation = (guess * u).mean((1, 2)) / spread.clamp(min=1e-12).sqrt()
    return correlation.max().clamp(min=0).square()


def _bandwidth(z: Tensor) -> Tensor:
    sample = z[:256].detach()
    return _squared_distance(sample, sample).median().clamp(min=1e-6)


def _kernel(a: Tensor, b: Tensor, bandwidth: Tensor) -> Tensor:
    distance = _squared_distance(a, b) / bandwidth
    gaussian = torch.stack([torch.exp(-distance / (2 * scale**2)) for scale in _SCALES]).mean(0)
    return gaussian + _LINEAR * a @ b.T / a.shape[1]


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    return (a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T).clamp(min=0)
