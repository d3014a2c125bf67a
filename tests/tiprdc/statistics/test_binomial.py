from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tiprdc.statistics import binomial as s


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_bounds_are_scipys_exact_ones(counts: tuple[int, int]) -> None:
    successes, trials = counts
    for alternative, bound in (("less", s.upper_bound), ("greater", s.lower_bound)):
        test = stats.binomtest(successes, trials, alternative=alternative)
        exact = test.proportion_ci(0.95, method="exact")
        expected = exact.high if alternative == "less" else exact.low
        assert bound(successes, trials) == pytest.approx(expected, abs=1e-9)


@given(
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.floats(0.6, 0.999),
)
def test_bounds_enclose_and_mirror(counts: tuple[int, int], confidence: float) -> None:
    successes, trials = counts
    found = s.interval(successes, trials, confidence)
    assert 0 <= found.low <= found.value <= found.high <= 1
    mirrored = s.upper_bound(trials - successes, trials, confidence)
    assert found.low == pytest.approx(1 - mirrored, abs=1e-9)
    assert found.high == s.upper_bound(successes, trials, confidence)


def test_the_prior_is_one_of_the_classes() -> None:
    assert [s.prior(classes) for classes in (2, 4, 5)] == [0.5, 0.25, 0.2]


@pytest.mark.parametrize("rate", [0.03, 0.5, 0.61])
@pytest.mark.parametrize("people", [40, 700])
def test_coverage_is_never_below_nominal(rate: float, people: int) -> None:
    """Exact, by summing over all outcomes: no simulation error to hide behind."""
    counts = np.arange(people + 1)
    chance = stats.binom.pmf(counts, people, rate)
    low = np.array([s.lower_bound(int(c), people) for c in counts])
    high = np.array([s.upper_bound(int(c), people) for c in counts])
    assert chance[low <= rate].sum() >= 0.95
    assert chance[high >= rate].sum() >= 0.95
    assert chance[low <= rate].sum() < 0.99, "far too wide: not the exact bound"


def test_coverage_with_unequal_rates_in_the_classes() -> None:
    """Class recalls 0.9 and 0.3: pooled counts are not binomial, the bound still holds."""
    rng = np.random.default_rng(0)
    successes = rng.binomial(200, 0.9, 4000) + rng.binomial(200, 0.3, 4000)
    high = np.array([s.upper_bound(c, 400) for c in range(401)])[successes]
    low = np.array([s.lower_bound(c, 400) for c in range(401)])[successes]
    assert np.mean(high >= 0.6) >= 0.95
    assert np.mean(low <= 0.6) >= 0.95


@pytest.mark.parametrize("bad", [(-1, 10, 0.95), (11, 10, 0.95), (0, 0, 0.95), (1, 10, 1.0)])
def test_impossible_counts_are_refused(bad: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="no bound"):
        s.upper_bound(*bad)


def test_balanced_accuracy_is_the_mean_recall() -> None:
    truth, decided = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0])
    assert s.balanced_accuracy(decided, truth, 2) == pytest.approx((3 / 4 + 1 / 2) / 2)
    with pytest.raises(ValueError, match="every class"):
        s.balanced_accuracy(decided, truth, 3)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=30, max_size=200),
    st.integers(0, 10),
)
def test_sample_has_one_record_a_person_and_equal_classes(
    rows: list[tuple[int, int]], seed: int
) -> None:
    labels = np.array([label for label, _ in rows])
    person = np.array([str(number) for _, number in rows])
    taken = s.balanced_sample(labels, person, 3, seed)
    assert len(set(person[taken])) == len(taken)
    assert len(set(np.bincount(labels[taken], minlength=3))) == 1
    assert np.array_equal(taken, s.balanced_sample(labels, person, 3, seed))


def test_sample_takes_every_record_of_a_person_equally_often_and_wastes_nobody() -> None:
    person = np.array(["a", "a", "b", "c", "d", "d"])
    labels = np.array([0, 0, 0, 1, 1, 1])
    samples = [s.balanced_sample(labels, person, 2, seed) for seed in range(400)]
    assert {len(sample) for sample in samples} == {4}
    first = np.mean([0 in sample for sample in samples])
    assert first == pytest.approx(0.5, abs=0.1)


def test_sample_prefers_nobody_of_the_frequent_class() -> None:
    labels, person = np.repeat([0, 1], [10, 30]), np.arange(40).astype(str)
    taken = np.concatenate([s.balanced_sample(labels, person, 2, seed) for seed in range(600)])
    share = np.bincount(taken, minlength=40)[10:] / 600
    assert np.abs(share - 1 / 3).max() < 0.08


def test_sample_on_the_balanced_rows_makes_balanced_accuracy_a_proportion() -> None:
    rng = np.random.default_rng(0)
    labels, person = rng.integers(3, size=500), np.arange(500).astype(str)
    rows = s.balanced_sample(labels, person, 3, 0)
    decided = rng.integers(3, size=len(rows))
    expected = np.mean(decided == labels[rows])
    assert s.balanced_accuracy(decided, labels[rows], 3) == pytest.approx(expected)


def floor(y: dict[str, np.ndarray], u: np.ndarray, classes: int = 2) -> float:
    half = len(u) // 2
    train = {task: values[:half] for task, values in y.items()}
    test = {task: values[half:] for task, values in y.items()}
    return s.balanced_accuracy(s.label_floor(train, u[:half], test, classes), u[half:], classes)


def test_floor_is_the_prior_where_labels_are_independent() -> None:
    rng = np.random.default_rng(0)
    y = {f"task{i}": rng.integers(3, size=8000) for i in range(5)}
    assert floor(y, rng.integers(2, size=8000)) == pytest.approx(0.5, abs=0.025)


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_floor_finds_a_correlated_label_whatever_the_prior(share: float) -> None:
    rng = np.random.default_rng(0)
    u = (rng.random(8000) < share).astype(np.int64)
    y = np.where(rng.random(8000) < 0.7, u, 1 - u)
    assert floor({"y": y, "noise": rng.integers(4, size=8000)}, u) == pytest.approx(0.7, abs=0.025)


def test_floor_finds_an_interaction_that_naive_bayes_cannot() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(2, size=(2, 4000))
    assert floor({"a": a, "b": b}, a ^ b) > 0.98


def test_floor_survives_a_label_value_never_seen_in_training() -> None:
    u = np.array([0, 1] * 50)
    decided = s.label_floor({"y": u}, u, {"y": np.array([2, 1])}, 2)
    assert decided.tolist()[1] == 1


def test_leakage_is_the_planted_information() -> None:
    rng = np.random.default_rng(0)
    u = np.repeat([0, 1], 20_000)
    bit = np.where(rng.random(40_000) < 0.8, u, 1 - u)
    told = np.where(bit[:, None] == np.arange(2), 0.8, 0.2)
    expected = 1 - stats.entropy([0.8, 0.2], base=2)
    assert s.leakage_bits(told, u) == pytest.approx(expected, abs=0.02)
    assert s.leakage_bits(np.full((40_000, 2), 0.5), u) == 0
    assert s.leakage_bits(1 - told, u) == 0


@pytest.mark.parametrize("classes", [2, 3, 8])
def test_leakage_of_an_attacker_who_is_sure_and_right_is_all_there_is(classes: int) -> None:
    u = np.arange(40 * classes) % classes
    assert s.leakage_bits(np.eye(classes)[u], u) == pytest.approx(np.log2(classes))


@pytest.mark.parametrize(("people", "share"), [(1000, 0.34), (5000, 0.88), (10_000, 0.99)])
def test_power_of_a_clean_model_at_margin_002(people: int, share: float) -> None:
    assert s.pass_probability(0.5, 0.52, people) == pytest.approx(share, abs=0.01)


@given(st.floats(0.3, 0.9), st.integers(20, 3000))
def test_false_pass_at_the_limit_is_at_most_nominal(limit: float, people: int) -> None:
    assert s.pass_probability(limit, limit, people) <= 0.05 + 1e-9
    assert s.fail_probability(limit, limit, people) <= 0.05 + 1e-9


def test_pass_probability_is_the_simulated_one() -> None:
    drawn = np.random.default_rng(0).binomial(300, 0.52, 20_000)
    passes = np.array([s.upper_bound(c, 300) <= 0.6 for c in range(301)])
    assert s.pass_probability(0.52, 0.6, 300) == pytest.approx(passes[drawn].mean(), abs=0.01)
    fails = np.array([s.lower_bound(c, 300) > 0.45 for c in range(301)])
    assert s.fail_probability(0.52, 0.45, 300) == pytest.approx(fails[drawn].mean(), abs=0.01)


@pytest.mark.parametrize(("rate", "limit"), [(0.5, 0.6), (0.57, 0.6), (0.66, 0.6)])
def test_people_needed_settles_it_and_fewer_do_not(rate: float, limit: float) -> None:
    people = s.people_needed(rate, limit, 2)
    assert people is not None
    assert people % 2 == 0
    settled = s.pass_probability if rate < limit else s.fail_probability
    assert settled(rate, limit, people) >= 0.9
    assert settled(rate, limit, int(people * 0.9)) < 0.9


def test_nobody_can_settle_a_rate_at_the_limit() -> None:
    assert s.people_needed(0.6, 0.6, 2) is None
