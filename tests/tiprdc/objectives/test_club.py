"""CLUB on channels with known mutual information."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tiprdc.objectives.club import club, club_of_features


def _entropy(flip: float) -> float:
    return -sum(p * math.log(p) for p in (flip, 1 - flip) if p)


def _channel(flip: float, records: int = 1000) -> tuple[Tensor, Tensor]:
    """A bit and itself, flipped in exactly this share of each class."""
    u = torch.arange(records) % 2
    flipped = torch.arange(records) < round(flip * records)
    return u ^ flipped.long(), u


def _posterior(z: Tensor, flip: float) -> Tensor:
    """log p(u | z) `[B, 2]`."""
    return torch.where(torch.eye(2, dtype=torch.bool)[z], 1 - flip, flip).log()


@pytest.mark.parametrize("flip", [0.1, 0.3, 0.5])
def test_true_posterior_gives_the_closed_form_above_the_information(flip: float) -> None:
    z, u = _channel(flip)
    estimate = club(_posterior(z, flip), u).item()
    assert estimate == pytest.approx((0.5 - flip) * math.log((1 - flip) / flip), abs=1e-6)
    truth = math.log(2) - _entropy(flip)
    assert estimate >= truth - 1e-6
    assert estimate > truth or flip == 0.5


def test_constant_classifier_gives_zero() -> None:
    """Also with classes of unequal size and an output that is not uniform."""
    u = torch.tensor([0, 0, 0, 1, 2])
    assert club(torch.tensor([[3.0, -1.0, 0.5]]).expand(5, 3), u).item() == pytest.approx(
        0, abs=1e-6
    )


def test_unrelated_classifier_gives_zero_and_wrong_one_less() -> None:
    z, u = _channel(0.1)
    unrelated = torch.arange(1000) // 2 % 2
    assert club(_posterior(unrelated, 0.1), u).item() == pytest.approx(0, abs=1e-6)
    assert club(_posterior(1 - z, 0.1), u).item() < -0.5


def _bits(records: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(records, 4)).astype(np.float32), rng.integers(2, size=records)


def test_independent_features_give_about_zero() -> None:
    z, u = _bits()
    assert abs(club_of_features(z, u, 2, seed=0)) < 0.02


def test_gaussian_bit_gives_the_value_of_the_true_posterior() -> None:
    """z | u ~ N(+-m, 1): the posterior's log-odds are 2 m z, so CLUB is m E[u z] = m^2."""
    z, u = _bits()
    z[:, 0] += 0.8 * (2 * u - 1)
    assert club_of_features(z, u, 2, seed=0) == pytest.approx(0.64, abs=0.1)


def test_class_missing_from_one_fold_gives_a_finite_value() -> None:
    z, u = _bits(200)
    u[7] = 2
    assert abs(club_of_features(z, u, 4, seed=0)) < 0.5
    assert club_of_features(z, np.zeros_like(u), 4, seed=0) == 0


def test_xor_is_detected() -> None:
    z, _ = _bits()
    u = ((z[:, 0] > 0) ^ (z[:, 1] > 0)).astype(np.int64)
    assert club_of_features(z, u, 2, seed=0) > 0.5
