"""Closed-form linear erasure after an unprotected extractor.

    r(z) = z - W^+ P W (z - E z),   W = Cov(z)^(-1/2),   P projects onto the columns of W Cov(z, u)

is the smallest change of z after which no linear function of it says anything about u on the
distribution that it was fitted on. Kernels and networks are another matter.

Source: Belrose et al. 2023 (LEACE), theorem 4.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tiprdc.baselines.method import Method, MethodsConfig, Report
from tiprdc.baselines.unprotected import Unprotected
from tiprdc.datasets.schema import Records, Schema
from tiprdc.models.inputs import FeatureMaker

_SMALLEST = 1e-6
"""Least variance of a direction, as a share of the largest, that counts as there at all."""


class Leace(Method):
    """The unprotected extractor, then erasure of all private attributes."""

    name = "leace"

    def fit(
        self,
        records: Records,
        schema: Schema,
        config: MethodsConfig,
        seed: int,
        report: Report = lambda _: None,
    ) -> Affine:
        extractor = Unprotected().fit(records, schema, config, seed, report)
        z = features_of(extractor, torch.from_numpy(records.x))
        labels = [torch.from_numpy(records.labels[name]) for name in schema.private]
        hot = [
            nn.functional.one_hot(u, schema.classes(name)).double()
            for name, u in zip(schema.private, labels, strict=True)
        ]
        return Affine(extractor, *eraser(z, torch.cat(hot, dim=1))).eval()


class Affine(nn.Module):
    """Features of another network, moved by one affine map: `(z - mean) @ weight + shift`.

    Args:
        extractor: Makes z `[B, D]`.
        weight: `[D, P]`.
        mean: `[D]`, the point that is subtracted.
        shift: `[P]`, what is added in the end.
    """

    weight: Tensor
    mean: Tensor
    shift: Tensor

    def __init__(
        self, extractor: FeatureMaker, weight: Tensor, mean: Tensor, shift: Tensor
    ) -> None:
        super().__init__()
        self.spec, self.extractor = extractor.spec, extractor
        self.register_buffer("weight", weight.float())
        self.register_buffer("mean", mean.float())
        self.register_buffer("shift", shift.float())

    def forward(self, x: Tensor) -> Tensor:
        """Raw records `[B, *shape]` -> `[B, P]`."""
        z: Tensor = (self.extractor(x) - self.mean) @ self.weight + self.shift
        return z


def features_of(extractor: FeatureMaker, x: Tensor) -> Tensor:
    """z `[N, D]` in double precision of records `[N, *shape]`."""
    with torch.inference_mode():
        parts = [extractor(part) for part in torch.split(x, 1024)]
    # Out of inference mode, so that it may be a buffer of a module that is exported.
    return torch.cat(parts).double().clone()


def eraser(z: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The map that erases u from z: weight `[D, D]`, mean `[D]` and shift `[D]` of `Affine`.

    To be replaced by `tiprdc.objectives.leace` once that is there.

    Args:
        z: Features `[N, D]`, double.
        u: One-hot private attributes, joined `[N, K]`.
    """
    mean = z.mean(0)
    centred = z - mean
    covariance = centred.T @ centred / len(z)
    cross = centred.T @ (u - u.mean(0)) / len(z)
    variance, axes = torch.linalg.eigh(covariance)
    there = variance > _SMALLEST * variance.max()
    scale = torch.where(there, variance.clamp(min=1e-30).rsqrt(), 0.0)
    back = torch.where(there, variance.clamp(min=0).sqrt(), 0.0)
    whiten, unwhiten = (axes * scale) @ axes.T, (axes * back) @ axes.T
    left, strength, _ = torch.linalg.svd(whiten @ cross, full_matrices=False)
    basis = left[:, strength > 1e-8 * strength.max().clamp(min=1e-12)]
    projection = unwhiten @ basis @ basis.T @ whiten
    weight = torch.eye(len(mean), dtype=z.dtype) - projection.T
    return weight, mean, mean
