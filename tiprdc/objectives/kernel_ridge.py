"""Hide from an adversary that is solved exactly in every batch.

Kernel ridge regression of u on z. Its explained variance on records that it was not fitted on is
the leak: an adversary in closed form never lags behind the extractor, and the held-out score does
not reward memorising.

    alpha = (K_ff + r I)^-1 (U_f - mean U_f)
    guess = K_sf alpha
    R^2   = max(corr(guess, U_s), 0)^2

K is the mean of Gaussian kernels around the median distance, plus a linear kernel. The explained
variance is that of the guess after its best rescaling, as an attacker who decides by a threshold
does not mind the scale: 1 - |U_s - guess|^2 / |U_s|^2 falls below zero for a guess that is too
loud, however well it ranks people, and a penalty that is then cut off at zero goes blind.

The best of several regularisations r counts: a small one sees a strong and intricate leak, a large
one the faint remains that a small one drowns in its own variance.

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
    """What the adversary explains of u: scalars in [0, 1].

    Args:
        variance: Of the true labels.
        chance: Of shuffled ones by the same guess, without gradient: what variance is on average
            where nothing is to be found, about 2 / B.
    """

    variance: Tensor
    chance: Tensor


def explained_variance(batch: LabelledFeatures) -> ExplainedVariance:
    """Fitted on one half of the batch and scored on the other, both ways, averaged.

    The gradient flows through the fit too: the extractor learns what the adversary will do next.

    Args:
        batch: B >= 4 records.

    """
    half = len(batch.z) // 2
    first = LabelledFeatures(batch.z[:half], batch.u[:half])
    second = LabelledFeatures(batch.z[half:], batch.u[half:])
    one, other = _score(first, second), _score(second, first)
    return ExplainedVariance((one.variance + other.variance) / 2, (one.chance + other.chance) / 2)


class MemoryRidge:
    """The adversary fitted on the features of earlier batches.

    Twenty times the records see far fainter leaks. The fit takes no gradient, and is worth keeping
    for some steps: its cost grows with the cube of the records, that of its scores not at all.

    Args:
        memory: N >= 4 records, cut off from the graph.
    """

    @torch.no_grad()
    def __init__(self, memory: LabelledFeatures) -> None:
        self.z = memory.z.clone()
        self.bandwidth = _bandwidth(self.z)
        systems = _systems(self.z, self.bandwidth, _MEMORY_RIDGES)
        self.weights = _solved(systems, memory.u - memory.u.mean(0))

    def explained_variance(self, batch: LabelledFeatures) -> ExplainedVariance:
        """Scored on a batch of B >= 2 records; returns as the function of this name."""
        asked = _kernel(batch.z, self.z, self.bandwidth)
        return _both(asked @ self.weights, batch.u)


def _score(fitted: LabelledFeatures, asked: LabelledFeatures) -> ExplainedVariance:
    bandwidth = _bandwidth(fitted.z)
    systems = _systems(fitted.z, bandwidth, _HALF_BATCH_RIDGES)
    weights = _solved(systems, fitted.u - fitted.u.mean(0))
    return _both(_kernel(asked.z, fitted.z, bandwidth) @ weights, asked.u)


def _systems(z: Tensor, bandwidth: Tensor, ridges: tuple[float, ...]) -> Tensor:
    """K + r I for each r `[R, N, N]`."""
    r = torch.tensor(ridges, device=z.device, dtype=z.dtype)[:, None, None]
    return _kernel(z, z, bandwidth) + r * torch.eye(len(z), device=z.device, dtype=z.dtype)


def _solved(systems: Tensor, targets: Tensor) -> Tensor:
    """Weights `[R, N, K]` of systems `[R, N, N]` and targets `[N, K]`; NaN where features are."""
    return cast(Tensor, _Solve.apply(systems, targets.expand(len(systems), -1, -1)))


class _Solve(torch.autograd.Function):
    """By Cholesky's factors, which the way back uses again.

    `torch.linalg.solve` takes no advantage of K + r I being positive definite, and with two threads
    its first systems of 256 rows and more failed on some processors (torch 2.14.1 with MKL).
    PyTorch's own way back through factors costs more than to solve. Factors are not checked: it
    would wait for the device.
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
        of_targets = torch.cholesky_solve(gradient, factors)
        return -of_targets @ weights.mT, of_targets


def _both(guess: Tensor, u: Tensor) -> ExplainedVariance:
    # Records come in random order: the next one's label is as good as any other's.
    return ExplainedVariance(_best(guess, u), _best(guess.detach(), u.roll(1, 0)))


def _best(guess: Tensor, u: Tensor) -> Tensor:
    """The largest squared positive correlation over the guesses `[R, N, K]`."""
    guess, u = guess - guess.mean(1, keepdim=True), u - u.mean(0)
    spread = guess.square().mean((1, 2)) * u.square().mean()
    correlation = (guess * u).mean((1, 2)) / spread.clamp(min=1e-12).sqrt()
    return correlation.max().clamp(min=0).square()


def _bandwidth(z: Tensor) -> Tensor:
    some = z[:256].detach()
    return _squared_distance(some, some).median().clamp(min=1e-6)


def _kernel(a: Tensor, b: Tensor, bandwidth: Tensor) -> Tensor:
    distance = _squared_distance(a, b) / bandwidth
    gaussian = torch.stack([torch.exp(-distance / (2 * scale**2)) for scale in _SCALES]).mean(0)
    return gaussian + _LINEAR * a @ b.T / a.shape[1]


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    return (a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T).clamp(min=0)
