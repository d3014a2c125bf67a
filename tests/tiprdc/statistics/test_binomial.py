"""Exact bounds against scipy and their coverage; probabilities of a verdict against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tiprdc.statistics import binomial


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_bounds_equal_scipy_exact_bounds(counts: tuple[int, int]) -> None:
    successes, trials = counts
    for alternative, bound in (("less", binomial.upper_bound), ("greater", binomial.lower_bound)):
        test = stats.binomtest(successes, trials, alternative=alternative)
        exact = test.proportion_ci(0.95, method="exact")
        expected = exact.high if alternative == "less" else exact.low
        assert bound(successes, trials) == pytest.approx(expected, abs=1e-9)


@given(
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.floats(0.6, 0.999),
)
def test_bounds_enclose_value_and_mirror(counts: tuple[int, int], confidence: float) -> None:
    successes, trials = counts
    found = binomial.interval(successes, trials, confidence)
    assert 0 <= found.low <= found.value <= found.high <= 1
    mirrored = binomial.upper_bound(trials - successes, trials, confidence)
    assert found.low == pytest.approx(1 - mirrored, abs=1e-9)
    assert found.high == binomial.upper_bound(successes, trials, confidence)


def test_prior_is_one_over_classes() -> None:
    assert [binomial.prior(classes) for classes in (2, 4, 5)] == [0.5, 0.25, 0.2]


@pytest.mark.parametrize("rate", [0.03, 0.5, 0.61])
@pytest.mark.parametrize("people", [40, 700])
def test_coverage_is_never_below_nominal(rate: float, people: int) -> None:
    """Exact, by summing over all outcomes: no simulation error to hide behind."""
    counts = np.arange(people + 1)
    chance = stats.binom.pmf(counts, people, rate)
    low = np.array([binomial.lower_bound(int(c), people) for c in counts])
    high = np.array([binomial.upper_bound(int(c), people) for c in counts])
    assert chance[low <= rate].sum() >= 0.95
    assert chance[high >= rate].sum() >= 0.95
    assert chance[low <= rate].sum() < 0.99, "far too wide: not the exact bound"


def test_coverage_holds_with_unequal_class_rates() -> None:
    """Class recalls 0.9 and 0.3: pooled counts are not binomial, the bound still holds."""
    rng = np.random.default_rng(0)
    successes = rng.binomial(200, 0.9, 4000) + rng.binomial(200, 0.3, 4000)
    high = np.array([binomial.upper_bound(c, 400) for c in range(401)])[successes]
    low = np.array([binomial.lower_bound(c, 400) for c in range(401)])[successes]
    assert np.mean(high >= 0.6) >= 0.95
    assert np.mean(low <= 0.6) >= 0.95


@pytest.mark.parametrize("bad", [(-1, 10, 0.95), (11, 10, 0.95), (0, 0, 0.95), (1, 10, 1.0)])
def test_impossible_counts_are_refused(bad: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="no bound"):
        binomial.upper_bound(*bad)


@pytest.mark.parametrize(("people", "share"), [(1000, 0.34), (5000, 0.88), (10_000, 0.99)])
def test_pass_probability_of_clean_model_at_margin_002(people: int, share: float) -> None:
    assert binomial.pass_probability(0.5, 0.52, people) == pytest.approx(share, abs=0.01)


@given(st.floats(0.3, 0.9), st.integers(20, 3000))
def test_false_pass_at_limit_is_at_most_nominal(limit: float, people: int) -> None:
    assert binomial.pass_probability(limit, limit, people) <= 0.05 + 1e-9
    assert binomial.fail_probability(limit, limit, people) <= 0.05 + 1e-9


def test_pass_and_fail_probability_equal_simulation() -> None:
    drawn = np.random.default_rng(0).binomial(300, 0.52, 20_000)
    passes = np.array([binomial.upper_bound(c, 300) <= 0.6 for c in range(301)])
    assert binomial.pass_probability(0.52, 0.6, 300) == pytest.approx(
        passes[drawn].mean(), abs=0.01
    )
    fails = np.array([binomial.lower_bound(c, 300) > 0.45 for c in range(301)])
    assert binomial.fail_probability(0.52, 0.45, 300) == pytest.approx(
        fails[drawn].mean(), abs=0.01
    )


@pytest.mark.parametrize(("rate", "limit"), [(0.5, 0.6), (0.57, 0.6), (0.66, 0.6)])
def test_people_needed_settle_and_fewer_do_not(rate: float, limit: float) -> None:
    people = binomial.people_needed(rate, limit, 2)
    assert people is not None
    assert people % 2 == 0
    settled = binomial.pass_probability if rate < limit else binomial.fail_probability
    assert settled(rate, limit, people) >= 0.9
    assert settled(rate, limit, int(people * 0.9)) < 0.9


def test_rate_at_limit_needs_no_finite_number_of_people() -> None:
    assert binomial.people_needed(0.6, 0.6, 2) is None
