"""The multiplier follows what shows, and the budget says what is allowed."""

from __future__ import annotations

from statistics import NormalDist

import pytest
import torch

from tiprdc.objectives.privacy_budget import PrivacyBudget, allowed_r2


def _after(shown: float, steps: int = 50, rate: float = 0.02) -> float:
    pressure = PrivacyBudget([2, 3], budget=0.1, rate=rate)
    for _ in range(steps):
        pressure.update(0, torch.tensor(shown))
    assert pressure.multiplier[1] == 1
    return float(pressure.multiplier[0])


def test_it_grows_while_more_shows_than_is_allowed_and_falls_while_less_does() -> None:
    limit = allowed_r2(0.1, 2)
    assert _after(2 * limit) == pytest.approx(2.718, abs=0.01)
    assert _after(limit) == pytest.approx(1, abs=1e-4)
    assert _after(0.0) == pytest.approx(1 / 2.718, abs=0.01)


def test_one_bad_batch_moves_it_by_one_step_at_most() -> None:
    assert _after(1.0, steps=1) == pytest.approx(1.0202, abs=1e-4)
    assert _after(-1.0, steps=1) == pytest.approx(0.9802, abs=1e-4)


def test_without_a_rate_it_stays() -> None:
    assert _after(1.0, rate=0.0) == 1


def test_it_stays_within_bounds() -> None:
    assert _after(1.0, steps=5000, rate=0.5) == 20
    assert _after(0.0, steps=5000, rate=0.5) == pytest.approx(0.05)


def test_an_attacker_with_what_is_allowed_to_it_is_right_as_often_as_the_budget_says() -> None:
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


def test_a_smaller_budget_allows_less() -> None:
    assert (
        0
        < allowed_r2(0.01, 2)
        < allowed_r2(0.1, 5)
        < allowed_r2(0.1, 2)
        < allowed_r2(0.5, 2)
        < 1 / 4.5
    )
