"""The bottleneck's price against torch's own, and above the information it is to bound."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from tiprdc.objectives.bottleneck import kl


def test_it_is_the_divergence_that_torch_knows_from_the_nearest_normal() -> None:
    torch.manual_seed(0)
    mean = torch.randn(16, 5)

    def from_a_normal_of(variance: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = kl_divergence(Normal(mean, 1.0), Normal(0.0, variance.sqrt()))
        return found.sum(1).mean()

    nearest = mean.square().mean(0) + 1
    torch.testing.assert_close(kl(mean), from_a_normal_of(nearest))
    for factor in (0.9, 1.1):
        assert kl(mean) < from_a_normal_of(factor * nearest)


def test_a_z_that_says_nothing_costs_nothing_and_any_other_something() -> None:
    nothing = torch.zeros(4, 3)
    assert kl(nothing) == 0
    assert kl(nothing + 0.01) > 0
    one = nothing.clone()
    one[0, 0] = -0.1
    assert kl(one) > 0


@pytest.mark.parametrize("gain", [0.3, 1.0, 2.0])
def test_it_is_the_information_of_a_gaussian_channel(gain: float) -> None:
    """x ~ N(0, 1), z = gain x + n: I(z; x) = 0.5 log(1 + gain^2)."""
    torch.manual_seed(0)
    mean = gain * torch.randn(200_000, 1, dtype=torch.float64)
    assert kl(mean).item() == pytest.approx(0.5 * math.log(1 + gain**2), abs=0.01)


@pytest.mark.parametrize("gain", [0.5, 1.5, 4.0])
def test_it_is_above_the_information_where_the_channel_is_not_gaussian(gain: float) -> None:
    """x = +-1 evenly, z = gain x + n: I(z; x) = log 2 - E[log(1 + exp(-2 gain z))], x = 1."""
    torch.manual_seed(0)
    z = gain + torch.randn(200_000, dtype=torch.float64)
    information = math.log(2) - torch.log1p(torch.exp(-2 * gain * z)).mean().item()
    price = kl(gain * torch.tensor([[1.0], [-1.0]])).item()
    assert price > information
    # Features that say the same are paid for twice.
    assert kl(gain * torch.tensor([[1.0, 1.0], [-1.0, -1.0]])).item() == pytest.approx(2 * price)


def test_scale_is_what_is_paid_for() -> None:
    mean = torch.randn(64, 3, generator=torch.manual_seed(0)).requires_grad_()
    assert kl(2 * mean) > kl(mean)
    (gradient,) = torch.autograd.grad(kl(mean), mean)
    assert (gradient * mean > 0).all()
