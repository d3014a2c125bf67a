"""The bounds hold for channels with known information, and some with equality."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from tiprdc.models.capacity import attribute_bits, channel_bits, gaussian_bits, quantised_bits


def _entropy(shares: np.ndarray) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log2(positive)).sum())


def test_uniform_levels_reach_the_bound_and_others_stay_below() -> None:
    assert _entropy(np.full(2**6, 2**-6)) == quantised_bits(3, 2)
    for seed in range(20):
        shares = np.random.default_rng(seed).dirichlet(np.ones(2**6))
        assert _entropy(shares) < quantised_bits(3, 2)


@pytest.mark.parametrize("noise", [0.3, 1.0, 4.0])
def test_gaussian_of_full_power_reaches_the_bound(noise: float) -> None:
    """I of a Gaussian pair of correlation rho is -0.5 log2(1 - rho^2)."""
    rho2 = 2.0**2 / (2.0**2 + noise**2)
    assert gaussian_bits(5, 2.0, noise) == pytest.approx(-5 / 2 * math.log2(1 - rho2))


def _sign_through_noise(clip: float, noise: float) -> float:
    """I in bits of a random sign times `clip` through Gaussian noise, by integration."""

    def integrand(y: float) -> float:
        each = stats.norm.pdf(y, [-clip, clip], noise)
        return float(-each.mean() * np.log2(each.mean()))

    reach = clip + 10 * noise
    total, _ = integrate.quad(integrand, -reach, reach, points=[-clip, clip], limit=200)
    return float(total - 0.5 * math.log2(2 * math.pi * math.e * noise**2))


@pytest.mark.parametrize("noise", [0.5, 1.0, 3.0, 10.0])
def test_strongest_bounded_signal_stays_below_the_bound(noise: float) -> None:
    """A random sign has the largest power of a bounded feature."""
    information, bound = _sign_through_noise(1.0, noise), gaussian_bits(1, 1.0, noise)
    assert information < bound
    # Tight for strong noise.
    if noise >= 10:
        assert information == pytest.approx(bound, rel=0.01)


def test_smallest_bound_is_returned_and_none_without_bounds() -> None:
    assert channel_bits(128, 0, 0, 0) is None
    assert channel_bits(128, 3, 0, 0) is None
    assert channel_bits(128, 0, 5.0, 0) is None
    assert channel_bits(128, 3, 0, 2) == 256
    assert channel_bits(128, 1, 10.0, 0) == pytest.approx(64 * math.log2(1.01))
    assert channel_bits(128, 1, 10.0, 8) == gaussian_bits(128, 1, 10.0)
    assert channel_bits(4, 1, 0.01, 1) == 4


def test_attribute_has_at_most_log2_of_its_classes() -> None:
    assert attribute_bits(2) == 1
    for shares in ([0.5, 0.2, 0.3], [1 / 3] * 3):
        assert _entropy(np.array(shares)) <= attribute_bits(3) + 1e-12


def test_codes_bound_the_bits_by_their_number() -> None:
    assert channel_bits(64, 0, 0, 0, codes=1024) == 10
    assert channel_bits(64, 3, 0.5, 2, codes=256) == 8
