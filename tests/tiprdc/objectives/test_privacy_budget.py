"""The multiplier follows the leak, and the budget sets the allowed R^2."""

from __future__ import annotations

from statistics import NormalDist

import pytest
import torch

from tiprdc.objectives.privacy_budget import PrivacyBudget, allowed_r2


def _multiplier_after(r2: float, steps: int = 50, rate: float = 0.02) -> float:
    budget = PrivacyBudget([2, 3], budget=0.1, rate=rate)
    for _ in range(steps):
        budget.update(0, torch.tensor(r2))
    assert budget.multiplier[1] == 1
    return float(budget.multiplier[0])


def test_multiplier_grows_above_the_allowed_r2_and_falls_below() -> None:
    limit = allowed_r2(0.1, 2)
    assert _multiplier_after(2 * limit) == pytest.approx(2.718, abs=0.01)
    assert _multiplier_after(limit) == pytest.approx(1, abs=1e-4)
    assert _multiplier_after(0.0) == pytest.approx(1 / 2.718, abs=0.01)


def test_one_batch_changes_it_by_one_step_at_most() -> None:
    assert _multiplier_after(1.0, steps=1) == pytest.approx(1.0202, abs=1e-4)
    assert _multiplier_after(-1.0, steps=1) == pytest.approx(0.9802, abs=1e-4)


def test_multiplier_is_constant_without_a_rate() -> None:
    assert _multiplier_after(1.0, rate=0.0) == 1


def test_multiplier_stays_within_bounds() -> None:
    assert _multiplier_after(1.0, steps=5000, rate=0.5) == 20
    assert _multiplier_after(0.0, steps=5000, rate=0.5) == pytest.approx(0.05)


def test_attacker_with_the_allowed_r2_has_the_accuracy_of_the_budget() -> None:
    rho2 = 4.5 * allowed_r2(0.1, 2)
    torch.manual_seed(0)
    u = torch.randint(2, (400_000,)) * 2.0 - 1
    guess = u * (rho2 / (1 - rho2)) ** 0.5 + torch.randn(len(u))
    assert float(torch.corrcoef(torch.stack([guess, u]))[0, 1] ** 2) == pytest.approx(
        rho2, abs=3e-3
    )
    right = float(((guess > 0) == (u > 0)).float().mean())
    assert right == pytest.approx(0.6, abs=3e-3)
    assert right == pytest.approx(NormalDist().cdf((rho2 / (1 - rho2)) ** 0.5), abs=3e-3)


def test_smaller_budget_allows_less() -> None:
    assert (
        0
        < allowed_r2(0.01, 2)
        < allowed_r2(0.1, 5)
        < allowed_r2(0.1, 2)
        < allowed_r2(0.5, 2)
        < 1 / 4.5
    )
