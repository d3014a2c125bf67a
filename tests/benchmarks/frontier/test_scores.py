"""Rates, shares kept and their bounds over people."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.frontier.scores import Rate, balanced, kept


def test_balanced_accuracy_counts_each_class_alike() -> None:
    truth = np.array([0, 0, 0, 0, 1])
    correct = np.array([True, True, True, False, False])
    rate = balanced(correct, truth, 2, np.arange(5))
    assert rate.value == pytest.approx((0.75 + 0) / 2)
    assert rate.influence.sum() == pytest.approx(0)


def test_missing_class_is_refused() -> None:
    with pytest.raises(ValueError, match="record of every class"):
        balanced(np.ones(3, bool), np.zeros(3, np.int64), 2, np.arange(3))


@pytest.mark.parametrize("records", [1, 4])
def test_bounds_cover_over_people_however_many_records_each_has(records: int) -> None:
    """A person's records agree, so that bounds over records would be too narrow."""
    rng, people, misses = np.random.default_rng(0), 200, 0
    for _ in range(400):
        truth = np.repeat(rng.integers(2, size=people), records)
        correct = np.repeat(rng.random(people) < 0.7, records)
        person = np.repeat(np.arange(people), records)
        misses += balanced(correct, truth, 2, person).bounds[0] > 0.7
    assert misses / 400 < 0.09


def test_kept_is_the_share_of_what_the_raw_record_tells() -> None:
    none = np.zeros(10)
    values = {"a": Rate(0.7, none), "b": Rate(0.5, none)}
    ceiling = {"a": Rate(0.9, none), "b": Rate(0.75, none)}
    share = kept(values, ceiling, {"a": 0.5, "b": 0.5})
    assert share.value == pytest.approx((0.5 + 0) / 2)
    assert share.bounds == (share.value, share.value)


def test_errors_that_value_and_ceiling_share_cancel() -> None:
    rng = np.random.default_rng(0)
    truth, correct = rng.integers(2, size=300), rng.random(300) < 0.8
    rate = balanced(correct, truth, 2, np.arange(300))
    same = kept({"a": rate}, {"a": rate}, {"a": 0.5})
    assert same.value == 1
    assert same.bounds == pytest.approx((1, 1))
    other = balanced(rng.random(300) < 0.8, truth, 2, np.arange(300))
    assert np.ptp(kept({"a": other}, {"a": rate}, {"a": 0.5}).bounds) > 0.2
