"""The power law: exact on its own curves, flat on falling ones, never below the bound at n."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.auditor.curve_baseline import power_law_bounds, power_law_ends
from tiprdc.statistics.binomial import upper_bound

PEOPLE = (500, 1000, 2000, 4000)


@pytest.mark.parametrize("exponent", [0.1, 0.5, 1.0])
def test_power_law_finds_its_own_curves(exponent: float) -> None:
    curve = 0.8 - 0.2 * (np.array([*PEOPLE, 40_000]) / 500) ** -exponent
    assert power_law_ends(PEOPLE, curve[None, :-1], 40_000) == pytest.approx(curve[-1:], abs=1e-6)


def test_falling_curve_is_flat() -> None:
    falling = np.array([[0.6, 0.58, 0.56, 0.54]])
    assert power_law_ends(PEOPLE, falling, 40_000) == pytest.approx(0.57)


def test_bounds_enclose_a_flat_curve() -> None:
    patterns = np.bincount(np.random.default_rng(0).integers(0, 16, 4000), minlength=16)
    low, high = power_law_bounds(PEOPLE, patterns.tolist(), 40_000, prior=0.5)
    right = int(patterns[8:].sum())
    assert 0.5 <= low <= 0.51
    assert upper_bound(right, 4000) <= high <= 0.56
