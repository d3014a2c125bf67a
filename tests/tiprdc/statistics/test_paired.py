"""The paired test against scipy, published figures and simulated error rates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tiprdc.statistics.paired import paired_difference


def people(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    a = np.repeat([True, True, False, False], [both, first, second, neither])
    b = np.repeat([True, False, True, False], [both, first, second, neither])
    return a, b


@pytest.mark.parametrize("table", [(36, 2, 12, 0), (50, 20, 9, 21), (0, 0, 0, 9), (9, 0, 0, 0)])
def test_p_value_is_exact_binomial_test(table: tuple[int, int, int, int]) -> None:
    found = paired_difference(*people(*table))
    _, first, second, _ = table
    if first + second:
        test = stats.binomtest(second, first + second, 0.5, alternative="greater")
        assert found.p_value == pytest.approx(test.pvalue)
    else:
        assert found.p_value == 1
    assert found.difference == pytest.approx((second - first) / sum(table))
    assert -1 <= found.low <= found.difference <= found.high <= 1


def test_interval_equals_newcombe_example() -> None:
    """Newcombe 1998: 36, 12, 2, 0 gives 0.0569 to 0.3404 at two-sided 95 %."""
    found = paired_difference(*people(36, 2, 12, 0), confidence=0.975)
    assert (found.low, found.high) == pytest.approx((0.0569, 0.3404), abs=5e-4)


def test_swapping_attackers_flips_sign() -> None:
    a, b = people(50, 20, 9, 21)
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert there.difference == -back.difference
    assert there.low == pytest.approx(-back.high)


def test_error_rates_hold_for_agreeing_attackers() -> None:
    rng = np.random.default_rng(0)
    rounds, misses, alarms = 800, 0, 0
    for _ in range(rounds):
        kind = rng.choice(4, size=400, p=[0.5, 0.06, 0.06, 0.38])
        found = paired_difference(kind < 2, (kind == 0) | (kind == 2))
        misses += found.low > 0
        alarms += found.p_value < 0.05
    most = 0.05 + 3 * (0.05 * 0.95 / rounds) ** 0.5
    assert misses / rounds < most
    assert alarms / rounds < most


def test_pairing_detects_difference_that_separate_intervals_miss() -> None:
    """4 points, on people on most of whom both attackers agree."""
    found = paired_difference(*people(1000, 20, 100, 880))
    assert found.p_value < 1e-9
    assert found.low > 0.02


def test_different_people_are_refused() -> None:
    with pytest.raises(ValueError, match="same people"):
        paired_difference(np.ones(3, bool), np.ones(4, bool))
