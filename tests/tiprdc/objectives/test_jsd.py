"""Fixed points and order of the Jensen-Shannon bound."""

from __future__ import annotations

import math

import pytest
import torch

from tiprdc.objectives.jsd import jsd


def test_zero_critic_scores_minus_two_log_two() -> None:
    assert jsd(torch.zeros(8), torch.zeros(3, 8)).item() == pytest.approx(-2 * math.log(2))


def test_perfect_critic_approaches_zero_from_below() -> None:
    score = jsd(torch.full((8,), 30.0), torch.full((2, 8), -30.0)).item()
    assert -1e-6 < score <= 0


def test_separating_true_from_false_scores_higher_than_the_reverse() -> None:
    true, false = torch.full((8,), 1.0), torch.full((2, 8), -1.0)
    assert jsd(true, false) > jsd(-true, -false)


def test_position_of_weight_zero_is_ignored() -> None:
    weight = torch.tensor([[1.0, 0.0]] * 4)
    joint, product = torch.randn(4, 2), torch.randn(3, 4, 2)
    changed = joint.clone()
    changed[:, 1] += 100
    assert jsd(joint, product, weight) == jsd(changed, product, weight)
    assert jsd(joint, product) != jsd(changed, product)
