"""CLUB on channels whose mutual information is known."""

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
def test_with_the_true_posterior_it_is_its_closed_form_and_above_the_truth(flip: float) -> None:
    z, u = _channel(flip)
    found = club(_posterior(z, flip), u).item()
    assert found == pytest.approx((0.5 - flip) * math.log((1 - flip) / flip), abs=1e-6)
    truth = math.log(2) - _entropy(flip)
    assert found >= truth - 1e-6
    assert found > truth or flip == 0.5


def test_a_classifier_that_answers_alike_finds_nothing() -> None:
    """Also with classes of unequal size and an answer that is not uniform."""
    u = torch.tensor([0, 0, 0, 1, 2])
    assert club(torch.tensor([[3.0, -1.0, 0.5]]).expand(5, 3), u).item() == pytest.approx(
        0, abs=1e-6
    )


def test_an_answer_to_another_question_finds_nothing_and_a_wrong_one_less() -> None:
    z, u = _channel(0.1)
    other = torch.arange(1000) // 2 % 2
    assert club(_posterior(other, 0.1), u).item() == pytest.approx(0, abs=1e-6)
    assert club(_posterior(1 - z, 0.1), u).item() < -0.5


def _bits(records: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(records, 4)).astype(np.float32), rng.integers(2, size=records)


def test_independent_features_give_nothing_on_records_not_fitted_on() -> None:
    z, u = _bits()
    assert abs(club_of_features(z, u, 2, seed=0)) < 0.02


def test_a_gaussian_bit_gives_what_the_true_posterior_gives() -> None:
    """z | u ~ N(+-m, 1): the posterior's log-odds are 2 m z, so CLUB is m E[u z] = m^2."""
    z, u = _bits()
    z[:, 0] += 0.8 * (2 * u - 1)
    assert club_of_features(z, u, 2, seed=0) == pytest.approx(0.64, abs=0.1)


def test_a_class_that_half_of_the_records_lack_is_no_surprise_without_end() -> None:
    z, u = _bits(200)
    u[7] = 2
    assert abs(club_of_features(z, u, 4, seed=0)) < 0.5
    assert club_of_features(z, np.zeros_like(u), 4, seed=0) == 0


def test_xor_is_seen_though_no_line_separates_it() -> None:
    z, _ = _bits()
    u = ((z[:, 0] > 0) ^ (z[:, 1] > 0)).astype(np.int64)
    assert club_of_features(z, u, 2, seed=0) > 0.5
