"""The division of people into four splits: exact, disjoint, seeded, with official splits kept."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprdc.datasets.schema import SPLITS, Attribute
from tiprdc.datasets.splits import SharesConfig, assign_splits, refuse_few_people, shuffle_people
from tiprdc.errors import ConfigError, DataError

SHARES = SharesConfig(extractor=0.5, attacker_train=0.25, attacker_select=0.08, attacker_test=0.17)


def people(count: int) -> list[str]:
    return [f"p{number}" for number in range(count)]


def test_shares_are_exact() -> None:
    split = Counter(assign_splits(people(16_000), SHARES, seed=0).tolist())
    assert [split[name] for name in SPLITS] == [8000, 4000, 1280, 2720]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=120), st.integers(0, 5))
def test_splits_are_disjoint_by_person_and_counts_within_one(ids: list[int], seed: int) -> None:
    person = [str(number) for number in ids]
    split = assign_splits(person, SHARES, seed)
    pairs = set(zip(person, split.tolist(), strict=True))
    assert len(pairs) == len(set(person))
    counts = Counter(name for _, name in pairs)
    for name in SPLITS:
        assert abs(counts[name] - SHARES.of(name) * len(set(person))) < 1


def test_order_of_records_does_not_matter() -> None:
    person = people(50)
    there = dict(zip(person, assign_splits(person, SHARES, 1), strict=True))
    back = dict(zip(person[::-1], assign_splits(person[::-1], SHARES, 1), strict=True))
    assert there == back


def test_seed_changes_the_division() -> None:
    assert (assign_splits(people(50), SHARES, 0) != assign_splits(people(50), SHARES, 1)).any()
    assert shuffle_people(people(50), 0) != shuffle_people(people(50), 1)


def test_official_splits_are_kept_and_train_is_divided() -> None:
    official = ["train"] * 90 + ["val"] * 5 + ["test"] * 7
    split = assign_splits(people(102), SHARES, 0, official)
    assert Counter(split[:90].tolist()) == {"extractor-train": 60, "attacker-train": 30}
    assert set(split[90:95]) == {"attacker-select"}
    assert set(split[95:]) == {"attacker-test"}


def test_without_val_attacker_select_comes_from_train() -> None:
    split = assign_splits(people(183), SHARES, 0, ["train"] * 166 + ["test"] * 17)
    assert [Counter(split.tolist())[name] for name in SPLITS] == [100, 50, 16, 17]
    assert set(split[166:]) == {"attacker-test"}


def test_own_split_names_are_kept() -> None:
    official = [SPLITS[number % 4] for number in range(8)]
    assert assign_splits(people(8), SHARES, 0, official).tolist() == official


def test_people_without_a_fixed_split_are_divided_as_if_alone() -> None:
    alone = assign_splits(people(100), SHARES, 3)
    fixed = [""] * 100 + ["attacker-train"] * 40
    split = assign_splits(people(140), SHARES, 3, fixed, may_be_empty=True)
    np.testing.assert_array_equal(split[:100], alone)
    assert set(split[100:]) == {"attacker-train"}


def test_empty_split_is_refused_unless_it_may_be_empty() -> None:
    fixed = ["", *SPLITS]
    assert assign_splits(people(5), SHARES, 0, fixed, may_be_empty=True)[1:].tolist() == [*SPLITS]
    with pytest.raises(DataError, match="extractor-train and 1 other value"):
        assign_splits(people(5), SHARES, 0, fixed)
    with pytest.raises(DataError, match="1 person is in two splits"):
        assign_splits(["a", "b", "a"], SHARES, 0, ["", "", SPLITS[0]], may_be_empty=True)
    with pytest.raises(DataError, match="no split and 2 other values"):
        assign_splits(people(2), SHARES, 0, ["", "tset"], may_be_empty=True)


def test_person_in_two_official_splits_is_refused_with_a_count() -> None:
    with pytest.raises(DataError) as error:
        assign_splits(["ann", "bob", "ann"], SHARES, 0, ["train", "val", "test"], where="x.split")
    message = str(error.value)
    assert message.startswith("x.split: 1 person is in two splits")
    assert "ann" not in message
    assert "put all records of a person into one split" in message


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("train", "tset"), "did you mean 'test'"),
        (("train", "val"), "train, test and, if there is one, val"),
        (("train", "test", "attacker-test"), "extractor-train, attacker-train"),
    ],
)
def test_unknown_official_splits_are_refused(names: tuple[str, ...], words: str) -> None:
    with pytest.raises(DataError) as error:
        assign_splits(people(len(names)), SHARES, 0, names)
    assert words in str(error.value)


def test_values_of_a_column_that_has_no_splits_are_not_shown() -> None:
    with pytest.raises(DataError) as error:
        assign_splits(people(2), SHARES, 0, ["ann@example.org", "bob@example.org"])
    assert "contains no split and 2 other values" in str(error.value)
    assert "example.org" not in str(error.value)


def test_small_classes_are_named_with_their_counts() -> None:
    records = pd.DataFrame({"person": people(9), "gender": [0, 1] * 4 + [0]})
    split = np.array([*SPLITS, *SPLITS, "attacker-test"])
    gender = Attribute(name="gender", classes=("f", "m"))
    with pytest.raises(DataError) as error:
        refuse_few_people(records, split, [gender], 3, "prepare.manifest")
    message = str(error.value)
    assert "gender 'm': 0 in extractor-train" in message
    assert "and 3 more" in message
    assert "at least 3 people of each class in each split (prepare.min_people)" in message
    refuse_few_people(records, split, [], 3, "prepare.manifest")


def test_person_with_many_records_counts_once() -> None:
    records = pd.DataFrame({"person": ["a", "a", "b"] * 4, "gender": [0, 0, 1] * 4})
    split = np.repeat(np.array(SPLITS), 3)
    gender = Attribute(name="gender", classes=("f", "m"))
    refuse_few_people(records, split, [gender], 1, "here")
    with pytest.raises(DataError, match="gender 'f': 1 in extractor-train"):
        refuse_few_people(records, split, [gender], 2, "here")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"extractor": 0.7}, "they add up to 1.1"),
        ({"attacker_select": 0.0, "extractor": 0.66}, "above 0 and below 1"),
    ],
)
def test_invalid_shares_are_refused(change: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=r"^prepare\.shares") as error:
        SharesConfig(**change)
    assert words in str(error.value)
