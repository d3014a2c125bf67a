"""The kernel trade-off: directions of much dependence on the record and little on u."""

from __future__ import annotations

import pytest
import torch
from msgspec import structs
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from tiprdc.baselines.base import MethodsConfig
from tiprdc.baselines.fourier_features import FourierFeatures, median_distance
from tiprdc.baselines.kernel_ratio import directions
from tiprdc.errors import ConfigError


def planted() -> tuple[Tensor, Tensor, Tensor]:
    """Random features of z `[N, 4]`, with a secret in z0 and a task in z1."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(1500, 4, generator=generator)
    fourier = FourierFeatures(4, 100, median_distance(z), generator)
    columns = fourier(z).double()
    return columns - columns.mean(0), (z[:, 0] > 0).long(), (z[:, 1] > 0).long()


def linear_probe(z: Tensor, u: Tensor) -> float:
    return float(LogisticRegression().fit(z[:1000], u[:1000]).score(z[1000:], u[1000:]))


def test_trade_off_decides_how_much_of_the_secret_is_left() -> None:
    columns, secret, task = planted()
    u = torch.nn.functional.one_hot(secret, 2).double()
    right = {t: columns @ directions(columns, u, t, 6) for t in (0.0, 0.999)}
    for z in right.values():
        assert z.shape == (1500, 6)
        assert torch.allclose(z.var(0, correction=0), torch.ones(6, dtype=z.dtype))
    assert linear_probe(right[0.0], secret) > 0.9
    assert linear_probe(right[0.999], secret) < 0.6
    assert min(linear_probe(z, task) for z in right.values()) > 0.9


def test_random_features_approximate_a_gaussian_kernel() -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(20, 3, generator=generator)
    columns = FourierFeatures(3, 20_000, 1.5, generator)(z)
    kernel = torch.exp(-torch.cdist(z, z).square() / (2 * 1.5**2))
    assert (columns @ columns.T - kernel).abs().max() < 0.03


def test_wrong_trade_off_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"comparison\.methods\.trade_off: 1"):
        structs.replace(MethodsConfig(), trade_off=1.0)
