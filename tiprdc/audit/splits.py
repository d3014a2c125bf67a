"""Who attacks and who is attacked, where nobody prepared splits: people divided by a seed.

The people that a stranger's model was trained on are unknown, unless a column names them. Then they
are left out of the attacks: features of training people may be unlike those of fresh people.
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
"""As `prepare.shares` has them among the attackers."""
TRAINED = ("extractor-train", "train")
"""How a column names the people that the model was trained on."""
FEWEST = 10
"""People of each class that attackers need to learn from and to be chosen on."""


def divide(
    person: Sequence[str], seed: int, named: Sequence[str] | None = None, where: str = "--split"
) -> NDArray[np.str_]:
    """The split of each record `[N]`.

    Args:
        person: Whom each record is about `[N]`.
        seed: A person's place follows from it and the person's id alone.
        named: The source's own column `[N]`. If it names all three attackers' splits it is obeyed;
            else who is `train` or `extractor-train` there is the model's, and all others are
            divided.
        where: What to blame.

    Raises:
        DataError: A person is in two splits, or nobody is left.
    """
    people = pd.Series(list(person), dtype=str)
    split = pd.Series([""] * len(people))
    if named is not None:
        given = pd.Series(list(named), dtype=str)
        _refuse_shared(people, given, where)
        if set(given) >= set(SHARES) and set(given) <= set(SPLITS):
            return given.to_numpy(dtype=np.str_)
        split[given.isin(TRAINED)] = "extractor-train"
    free = people[split == ""]
    if free.empty:
        raise DataError(
            where, "all people are the model's own training people", "fresh people to attack"
        )
    order = shuffle_people(free, seed)
    ends = np.rint(np.cumsum(list(SHARES.values())) * len(order)).astype(int)
    places = np.searchsorted(ends, np.arange(len(order)), side="right")
    of = {who: list(SHARES)[place] for who, place in zip(order, places, strict=True)}
    split[split == ""] = free.map(of)
    return split.to_numpy(dtype=np.str_)


def refuse_few(records: pd.DataFrame, split: NDArray[np.str_], attribute: Attribute) -> None:
    """Attackers need some people of each class.

    Raises:
        DataError: A class has too few.
    """
    for name in SHARES:
        pairs = records.loc[split == name, ["person", attribute.name]].drop_duplicates()
        counts = np.bincount(pairs[attribute.name], minlength=len(attribute.classes))
        if counts.min() < FEWEST:
            raise DataError(
                f"{attribute.name}, {name}",
                f"{int(counts.min()):,} people of {attribute.classes[int(counts.argmin())]!r}",
                f"at least {FEWEST:,} of each class",
                "add people, or join small classes",
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
