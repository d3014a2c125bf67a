"""The bottleneck's price against torch's own, and above the information it is to bound."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from tiprdc.objectives.bottleneck import kl_to_standard_normal, sample


def test_it_is_the_divergence_that_torch_knows() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(16, 5), torch.randn(16, 5)
    known = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_to_standard_normal(mean, log_variance), known.sum(1).mean())


def test_a_z_that_says_nothing_costs_nothing_and_any_other_something() -> None:
    nothing = torch.zeros(4, 3)
    assert kl_to_standard_normal(nothing, nothing) == 0
    for little in (0.01, -0.01):
        assert kl_to_standard_normal(nothing + little, nothing) > 0
        assert kl_to_standard_normal(nothing, nothing + little) > 0


@pytest.mark.parametrize(("gain", "noise"), [(0.6, 0.8), (0.3, 0.5), (1.0, 0.5), (2.0, 1.0)])
def test_it_is_never_below_the_information_of_a_gaussian_channel(gain: float, noise: float) -> None:
    """x ~ N(0, 1), z = gain x + noise n: I(z; x) = 0.5 log(1 + gain^2 / noise^2)."""
    torch.manual_seed(0)
    mean = gain * torch.randn(200_000, 1, dtype=torch.float64)
    log_variance = torch.full_like(mean, 2 * math.log(noise))
    price = kl_to_standard_normal(mean, log_variance).item()
    information = 0.5 * math.log(1 + gain**2 / noise**2)
    assert price > information - 0.01
    # Equal exactly where z is itself standard normal: 0.6^2 + 0.8^2 = 1.
    assert (price < information + 0.01) == math.isclose(gain**2 + noise**2, 1)


def test_samples_have_the_mean_and_the_variance_and_lead_back_to_both() -> None:
    torch.manual_seed(0)
    mean = torch.tensor([1.0, -2.0]).expand(100_000, 2).clone().requires_grad_()
    log_variance = torch.tensor([0.0, -2.0]).expand(100_000, 2).clone().requires_grad_()
    z = sample(mean, log_variance)
    torch.testing.assert_close(z.mean(0), torch.tensor([1.0, -2.0]), atol=0.02, rtol=0)
    torch.testing.assert_close(z.var(0), torch.tensor([1.0, math.exp(-2)]), atol=0.02, rtol=0)
    z.square().mean(0).sum().backward()
    assert mean.grad is not None
    assert log_variance.grad is not None
    # d E[z^2] / d mean = 2 mean, d E[z^2] / d log variance = variance.
    torch.testing.assert_close(mean.grad.sum(0), torch.tensor([2.0, -4.0]), atol=0.05, rtol=0)
    wanted = torch.tensor([1.0, math.exp(-2)])
    torch.testing.assert_close(log_variance.grad.sum(0), wanted, atol=0.02, rtol=0)
