"""The balanced sample: one record a person, equal classes, no preference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiprdc.statistics.sampling import balanced_sample
from tiprdc.statistics.scores import balanced_accuracy


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
    taken = balanced_sample(labels, person, 3, seed)
    assert len(set(person[taken])) == len(taken)
    assert len(set(np.bincount(labels[taken], minlength=3))) == 1
    assert np.array_equal(taken, balanced_sample(labels, person, 3, seed))


def test_sample_takes_each_record_of_a_person_equally_often_and_all_people() -> None:
    person = np.array(["a", "a", "b", "c", "d", "d"])
    labels = np.array([0, 0, 0, 1, 1, 1])
    samples = [balanced_sample(labels, person, 2, seed) for seed in range(400)]
    assert {len(sample) for sample in samples} == {4}
    first = np.mean([0 in sample for sample in samples])
    assert first == pytest.approx(0.5, abs=0.1)


def test_sample_takes_people_of_frequent_class_equally_often() -> None:
    labels, person = np.repeat([0, 1], [10, 30]), np.arange(40).astype(str)
    taken = np.concatenate([balanced_sample(labels, person, 2, seed) for seed in range(600)])
    share = np.bincount(taken, minlength=40)[10:] / 600
    assert np.abs(share - 1 / 3).max() < 0.08


def test_balanced_accuracy_on_sample_is_a_proportion() -> None:
    rng = np.random.default_rng(0)
    labels, person = rng.integers(3, size=500), np.arange(500).astype(str)
    rows = balanced_sample(labels, person, 3, 0)
    decisions = rng.integers(3, size=len(rows))
    expected = np.mean(decisions == labels[rows])
    assert balanced_accuracy(decisions, labels[rows], 3) == pytest.approx(expected)
