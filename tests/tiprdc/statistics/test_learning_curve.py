"""Extrapolated learning curves: known ends, flat curves, invariance, and errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tiprdc.statistics.binomial import interval
from tiprdc.statistics.learning_curve import Extrapolation, extrapolate

PEOPLE = (500, 1000, 2000, 4000)


def drawn(rates: Sequence[float], people: int, seed: int = 0) -> list[NDArray[np.bool_]]:
    """Decisions of these rates; each person is as hard to decide on for every attacker."""
    rng = np.random.default_rng(seed)
    shared, own = rng.normal(size=people), rng.normal(size=(len(rates), people))
    hard = stats.norm.cdf(0.6 * shared + 0.8 * own)
    return [hard[i] < rate for i, rate in enumerate(rates)]


def found(
    rates: Sequence[float], target: int, *, people: int = 4000, seed: int = 0,
    fitted: Sequence[int] = PEOPLE, prior: float = 0.5, limit: float = 0.6,
) -> Extrapolation:  # fmt: skip
    return extrapolate(fitted, drawn(rates, people, seed), target, prior=prior, limit=limit)


def discriminant(separation: float, width: int, people: int) -> float:
    """Accuracy of the linear discriminant fitted on people: Phi(D^2 / sqrt(D^2 + width / n))."""
    return float(stats.norm.cdf(separation**2 / np.sqrt(separation**2 + width / people)))


def test_flat_curve_at_chance_keeps_a_useful_bound() -> None:
    highs = [found([0.5] * 4, 40_000, seed=seed).high for seed in range(20)]
    assert np.mean(highs) <= 0.55
    assert min(highs) >= 0.5


def test_flat_curve_at_chance_of_five_classes() -> None:
    flat = found([0.2] * 4, 40_000, prior=0.2)
    assert flat.low <= 0.205
    assert 0.2 <= flat.value <= flat.high <= 0.25


@pytest.mark.parametrize("separation", [0.1, 0.3, 0.7])
@pytest.mark.parametrize("width", [30, 300, 3000])
def test_bounds_hold_for_linear_discriminants(separation: float, width: int) -> None:
    rates = [discriminant(separation, width, n) for n in PEOPLE]
    truth = discriminant(separation, width, 10 * PEOPLE[-1])
    covered = [
        result.low <= truth <= result.high
        for result in (found(rates, 40_000, seed=seed) for seed in range(20))
    ]
    assert np.mean(covered) >= 0.8


@pytest.mark.parametrize("here", [0.52, 0.54])
def test_upper_bound_holds_for_thin_leaks_that_grow_as_the_square_root(here: float) -> None:
    separation = stats.norm.ppf(here) * np.sqrt(np.array([*PEOPLE, 40_000]) / PEOPLE[-1])
    *rates, truth = stats.norm.cdf(separation)
    covered = [found(rates, 40_000, seed=seed).high >= truth for seed in range(20)]
    assert np.mean(covered) >= 0.85


def test_bound_of_a_curve_that_still_rises_lies_above_its_end() -> None:
    """The demo's release 0.x: 55.4 % with 4,000 people, 63.1 % with 16,000, 75.9 % with 100,000."""
    rates = [0.554, 0.585, 0.631, 0.68]
    result = found(rates, 100_000, fitted=(4000, 8000, 16_000, 32_000))
    assert result.low <= 0.759 <= result.high
    assert result.people_at_limit is not None
    assert 8000 <= result.people_at_limit <= 16_000


def test_limit_above_the_curve_has_no_number_of_people() -> None:
    settled = found([0.6, 0.6, 0.6, 0.6], 40_000, limit=0.9)
    assert settled.people_at_limit is None
    assert settled.high <= 0.7


def test_upper_bound_grows_with_the_target_and_covers_the_bound_here() -> None:
    rates = [0.51, 0.53, 0.56, 0.6]
    here = interval(int(drawn(rates, 4000)[-1].sum()), 4000)
    highs = [found(rates, target).high for target in (4000, 8000, 40_000, 400_000)]
    assert highs[0] == here.high
    assert highs == sorted(highs)
    assert highs[-1] > 0.75


@pytest.mark.parametrize("target", [10, 4000])
def test_without_more_people_the_exact_bounds_hold(target: int) -> None:
    rates = [0.51, 0.53, 0.56, 0.6]
    here = interval(int(drawn(rates, 4000)[-1].sum()), 4000)
    result = found(rates, target)
    assert (result.low, result.value, result.high) == (here.low, here.value, here.high)
    assert result.people == 4000


def test_order_of_the_test_people_changes_no_bit() -> None:
    correct = drawn([0.52, 0.55, 0.61, 0.63], 3001)
    order = np.random.default_rng(1).permutation(3001)
    shuffled = [part[order] for part in correct]
    first, second = (
        extrapolate(PEOPLE, part, 40_000, prior=0.5, limit=0.6) for part in (correct, shuffled)
    )
    assert first == second


def test_more_confidence_gives_wider_bounds() -> None:
    correct = drawn([0.52, 0.55, 0.61, 0.63], 3000)
    usual, strict = (
        extrapolate(PEOPLE, correct, 40_000, prior=0.5, limit=0.6, confidence=c)
        for c in (0.9, 0.99)
    )
    assert strict.low < usual.low
    assert strict.high > usual.high


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_extreme_rates_have_finite_bounds(rate: float) -> None:
    result = found([rate] * 4, 40_000, people=50)
    assert 0.5 <= result.low <= result.high <= 1


def test_curves_of_wrong_shape_are_refused() -> None:
    correct = drawn([0.5, 0.5, 0.5], 20)
    for people, part, message in (
        ((1, 2), correct, "each with decisions"),
        ((1, 3, 3), correct, "increase"),
        ((0, 1, 2), correct, "at least 1"),
        ((1, 2, 3), [*correct[:2], correct[2][:5]], "same people"),
        ((1, 2, 3), [part[:1] for part in correct], "two test people"),
    ):
        with pytest.raises(ValueError, match=message):
            extrapolate(people, part, 10, prior=0.5, limit=0.6)
