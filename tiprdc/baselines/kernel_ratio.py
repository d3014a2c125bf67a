"""A kernel trade-off in closed form, after an unprotected extractor: U-FaTE with x for the task.

    z = p(v) W,   W: the leading solutions of  (A / |A| - t/(1-t) B / |B|) w = e (C + g I) w

v are features of the unprotected extractor, p random Fourier features, C their covariance; A = C C
measures how far a direction depends on the record, B = S S^T, with the covariance S of p(v) and u,
how far it depends on u; |.| is the largest eigenvalue and t is in 0 to 1. Directions with e > 0 are
kept, those of the largest e first. It is told no task: C takes the place of the covariance of p(v)
and a task's labels.

Source: Dehdashtian et al., "Utility-Fairness Trade-Offs and How to Find Them" (CVPR 2024),
demographic parity. They train the network below by the same measure; here it stays as it is.
"""

from __future__ import annotations

import scipy.linalg
import torch
from torch import Tensor, nn

from tiprdc.baselines.base import FitInputs, Method
from tiprdc.baselines.fourier_features import FourierFeatures, median_distance
from tiprdc.baselines.unprotected_features import seeded, unprotected_features
from tiprdc.models.inputs import FeatureMaker

_FREQUENCIES = 500
_RIDGE = 1e-4
"""g, as a share of the largest eigenvalue of C."""


class KernelFeatures(nn.Module):
    """Raw records `[B, *spec.shape]` -> `(p(extractor(x)) - mean) @ weight` `[B, P]`.

    Args:
        extractor: Unprotected.
        fourier: p.
        mean: Of p over extractor-train `[F]`.
        weight: `[F, P]`.
    """

    mean: Tensor
    weight: Tensor

    def __init__(
        self, extractor: FeatureMaker, fourier: FourierFeatures, mean: Tensor, weight: Tensor
    ) -> None:
        super().__init__()
        self.spec, self.extractor, self.fourier = extractor.spec, extractor, fourier
        self.register_buffer("mean", mean.float())
        self.register_buffer("weight", weight.float())

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = (self.fourier(self.extractor(x)) - self.mean) @ self.weight
        return z


class KernelRatio(Method):
    """Directions of random features with much dependence on x for their dependence on u."""

    name = "kernel_ratio"

    def fit(self, inputs: FitInputs) -> KernelFeatures:
        base = unprotected_features(inputs)
        v = base.z.float()
        fourier = FourierFeatures(v.shape[1], _FREQUENCIES, median_distance(v), seeded(inputs.seed))
        columns = fourier(v).double()
        mean = columns.mean(0)
        weight = directions(
            columns - mean, base.u, inputs.config.trade_off, inputs.config.extractor.features
        )
        return KernelFeatures(base.extractor, fourier, mean, weight).eval()


def directions(columns: Tensor, u: Tensor, trade_off: float, width: int) -> Tensor:
    """W, scaled so that every feature has variance 1.

    Args:
        columns: Centred random features `[N, F]`, float64.
        u: One-hot private attributes `[N, K]`, float64.
        trade_off: t, 0 to less than 1.
        width: Most directions P; fewer where fewer have a positive e, and at least one.

    Returns:
        `[F, P]`.
    """
    total = columns.T @ columns / len(columns)
    on_u = columns.T @ (u - u.mean(0)) / len(columns)
    objective = _scaled(total @ total) - trade_off / (1 - trade_off) * _scaled(on_u @ on_u.T)
    ridge = _RIDGE * torch.linalg.matrix_norm(total, 2) * torch.eye(len(total), dtype=total.dtype)
    gains, vectors = scipy.linalg.eigh(objective.numpy(), (total + ridge).numpy())
    count = max(1, min(width, int((gains > 0).sum())))
    chosen = torch.from_numpy(vectors[:, ::-1][:, :count].copy())
    deviation = (chosen * (total @ chosen)).sum(0).sqrt()
    return chosen / deviation.clamp(min=1e-9)


def _scaled(matrix: Tensor) -> Tensor:
    """The matrix divided by its largest eigenvalue; a matrix of zeros stays as it is."""
    scaled: Tensor = matrix / torch.linalg.matrix_norm(matrix, 2).clamp(min=1e-12)
    return scaled
