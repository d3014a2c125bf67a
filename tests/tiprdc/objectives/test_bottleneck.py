"""The KL divergence equals torch's and is an upper bound on the mutual information."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from tiprdc.objectives.bottleneck import gaussian_kl


def test_it_equals_torchs_divergence_from_the_nearest_normal() -> None:
    torch.manual_seed(0)
    mean = torch.randn(16, 5)

    def divergence(variance: torch.Tensor) -> torch.Tensor:
        parts: torch.Tensor = kl_divergence(Normal(mean, 1.0), Normal(0.0, variance.sqrt()))
        return parts.sum(1).mean()

    nearest = mean.square().mean(0) + 1
    torch.testing.assert_close(gaussian_kl(mean), divergence(nearest))
    for factor in (0.9, 1.1):
        assert gaussian_kl(mean) < divergence(factor * nearest)


def test_it_is_zero_only_for_zero_means() -> None:
    zero = torch.zeros(4, 3)
    assert gaussian_kl(zero) == 0
    assert gaussian_kl(zero + 0.01) > 0
    nonzero = zero.clone()
    nonzero[0, 0] = -0.1
    assert gaussian_kl(nonzero) > 0


@pytest.mark.parametrize("gain", [0.3, 1.0, 2.0])
def test_it_equals_the_information_of_a_gaussian_channel(gain: float) -> None:
    """x ~ N(0, 1), z = gain x + n: I(z; x) = 0.5 log(1 + gain^2)."""
    torch.manual_seed(0)
    mean = gain * torch.randn(200_000, 1, dtype=torch.float64)
    assert gaussian_kl(mean).item() == pytest.approx(0.5 * math.log(1 + gain**2), abs=0.01)


@pytest.mark.parametrize("gain", [0.5, 1.5, 4.0])
def test_it_exceeds_the_information_of_a_non_gaussian_channel(gain: float) -> None:
    """x = +-1 evenly, z = gain x + n: I(z; x) = log 2 - E[log(1 + exp(-2 gain z))], x = 1."""
    torch.manual_seed(0)
    z = gain + torch.randn(200_000, dtype=torch.float64)
    information = math.log(2) - torch.log1p(torch.exp(-2 * gain * z)).mean().item()
    kl = gaussian_kl(gain * torch.tensor([[1.0], [-1.0]])).item()
    assert kl > information
    # Redundant features count twice.
    assert gaussian_kl(gain * torch.tensor([[1.0, 1.0], [-1.0, -1.0]])).item() == pytest.approx(
        2 * kl
    )


def test_it_grows_with_the_scale() -> None:
    mean = torch.randn(64, 3, generator=torch.manual_seed(0)).requires_grad_()
    assert gaussian_kl(2 * mean) > gaussian_kl(mean)
    (gradient,) = torch.autograd.grad(gaussian_kl(mean), mean)
    assert (gradient * mean > 0).all()
