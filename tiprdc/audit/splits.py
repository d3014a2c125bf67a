"""Splits people into the attackers' three splits by a seed, for data without prepared splits.

The training people of a foreign model are unknown, unless a column names them. Then they are left
out of the attacks: features of training people may differ from those of fresh people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiprdc.datasets.schema import SPLITS, Attribute, Split
from tiprdc.datasets.splits import shuffle_people
from tiprdc.errors import DataError

SHARES: dict[Split, float] = {
    "attacker-train": 0.45,
    "attacker-select": 0.15,
    "attacker-test": 0.40,
}
"""Share of the people in each split, as `prepare.shares` has them among the attackers."""
TRAINING_NAMES = ("extractor-train", "train")
"""Values of the split column that mark the model's training people."""
MIN_PEOPLE = 10
"""Fewest people of each class in each split."""


def split_people(
    person: Sequence[str], seed: int, named: Sequence[str] | None = None, where: str = "--split"
) -> NDArray[np.str_]:
    """The split of each record `[N]`.

    Args:
        person: Person of each record `[N]`.
        seed: A person's place in the order depends on it and the person's id alone.
        named: The source's own column `[N]`. If it names all three attackers' splits, it is used
            as it is. Else `train` or `extractor-train` marks the model's training people, and all
            others are split.
        where: What error messages name.

    Raises:
        DataError: A person is in two splits, or no people are left to attack.
    """
    people = pd.Series(list(person), dtype=str)
    split = pd.Series([""] * len(people))
    if named is not None:
        column = pd.Series(list(named), dtype=str)
        _refuse_shared(people, column, where)
        if set(column) >= set(SHARES) and set(column) <= set(SPLITS):
            return column.to_numpy(dtype=np.str_)
        split[column.isin(TRAINING_NAMES)] = "extractor-train"
    free = people[split == ""]
    if free.empty:
        raise DataError(
            where, "all people are the model's own training people",
            hint="add people that the model was not trained on",
        )  # fmt: skip
    order = shuffle_people(free, seed)
    ends = np.rint(np.cumsum(list(SHARES.values())) * len(order)).astype(int)
    places = np.searchsorted(ends, np.arange(len(order)), side="right")
    split_of = {name: list(SHARES)[place] for name, place in zip(order, places, strict=True)}
    split[split == ""] = free.map(split_of)
    return split.to_numpy(dtype=np.str_)


def check_class_sizes(records: pd.DataFrame, split: NDArray[np.str_], attribute: Attribute) -> None:
    """Check that each class has enough people in each of the attackers' splits.

    Raises:
        DataError: A class has too few.
    """
    for name in SHARES:
        pairs = records.loc[split == name, ["person", attribute.name]].drop_duplicates()
        counts = np.bincount(pairs[attribute.name], minlength=len(attribute.classes))
        if counts.min() < MIN_PEOPLE:
            raise DataError(
                f"{attribute.name}, {name}",
                f"{int(counts.min()):,} people of {attribute.classes[int(counts.argmin())]!r}",
                f"at least {MIN_PEOPLE:,} of each class",
                "add people, or merge small classes",
            )


def _refuse_shared(person: pd.Series[str], named: pd.Series[str], where: str) -> None:
    shared = int((named.groupby(person).nunique() > 1).sum())
    if shared:
        raise DataError(
            where,
            f"{shared:,} {'person is' if shared == 1 else 'people are'} in two splits",
            "each person in one split only",
            "put all records of a person into one split",
        )
