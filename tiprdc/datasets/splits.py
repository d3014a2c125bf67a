"""Divides the people of a data set into four splits: one for the extractor, three for attackers.

No person is in two splits. A person's position in the order depends on the seed and the person's
id alone; the numbers of people follow the shares exactly. Official splits of the source are kept:
`train` is divided into extractor-train and attacker-train, `val` becomes attacker-select and
`test` attacker-test. A source of generated people may fix the split of some of them alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
from msgspec import Meta
from numpy.typing import NDArray

from tiprdc.datasets.schema import SPLITS, Attribute, Split
from tiprdc.datasets.tables.names import show_name
from tiprdc.errors import ConfigError, DataError, suggestion
from tiprdc.settings import Settings

_OFFICIAL: dict[str, tuple[Split, ...]] = {
    "train": ("extractor-train", "attacker-train"),
    "val": ("attacker-select",),
    "test": ("attacker-test",),
}
_FIXED: dict[str, tuple[Split, ...]] = {"": SPLITS, **{split: (split,) for split in SPLITS}}


class SharesConfig(Settings, frozen=True, kw_only=True):
    """Shares of the people in the four splits (`prepare.shares`); they add up to 1."""

    params_key: ClassVar[str] = "prepare.shares"

    extractor: Annotated[
        float, Meta(gt=0, lt=1, description="Share of the people in extractor-train.")
    ] = 0.6
    attacker_train: Annotated[
        float, Meta(gt=0, lt=1, description="Share of the people in attacker-train.")
    ] = 0.18
    attacker_select: Annotated[
        float, Meta(gt=0, lt=1, description="Share of the people in attacker-select.")
    ] = 0.06
    attacker_test: Annotated[
        float, Meta(gt=0, lt=1, description="Share of the people in attacker-test.")
    ] = 0.16

    def _check(self) -> None:
        total = sum(self.of(split) for split in SPLITS)
        if abs(total - 1) > 1e-6:
            raise ConfigError("prepare.shares", f"they add up to {total:g}", "a sum of 1")

    def of(self, split: Split) -> float:
        """The share of one split."""
        shares = (self.extractor, self.attacker_train, self.attacker_select, self.attacker_test)
        return dict(zip(SPLITS, shares, strict=True))[split]


def shuffle_people(people: Iterable[str], seed: int) -> list[str]:
    """The distinct people in an order that depends on the seed and each id alone."""
    return sorted(
        set(people), key=lambda person: hashlib.sha256(f"{seed}:{person}".encode()).digest()
    )


def assign_splits(
    person: Sequence[str],
    shares: SharesConfig,
    seed: int,
    official: Sequence[str] | None = None,
    where: str = "split",
    *,
    may_be_empty: bool = False,
) -> NDArray[np.str_]:
    """Assign each record to a split.

    Args:
        person: Person that each record is about `[N]`.
        shares: How people are divided; inside an official split only the proportions count.
        seed: Any whole number.
        official: The source's split of each record `[N]`: train, val and test, or the four of
            `SPLITS`. None divides all people at random.
        where: The key that names the column of official splits, for messages.
        may_be_empty: Whether `official` fixes the split of some records alone, with the names of
            `SPLITS`; the people of the others, whose entry is "", are divided by the shares as if
            there were no others.

    Returns:
        Split of each record `[N]`.

    Raises:
        DataError: An official split is unknown or missing, or a person is in two of them.
    """
    people = pd.Series(list(person), dtype=str)
    if official is None:
        return people.map(_divide(people, SPLITS, shares, seed)).to_numpy(dtype=np.str_)
    source_split = pd.Series(list(official), dtype=str)
    targets = _targets(source_split, where, may_be_empty)
    _refuse_shared_people(people, source_split, where)
    split_of_person: dict[str, Split] = {}
    for name, splits in targets.items():
        split_of_person |= _divide(people[source_split == name], splits, shares, seed)
    return people.map(split_of_person).to_numpy(dtype=np.str_)


def refuse_few_people(
    records: pd.DataFrame,
    split: NDArray[np.str_],
    attributes: Iterable[Attribute],
    fewest: int,
    where: str,
) -> None:
    """Refuse a division in which a class has fewer than `fewest` people in a split.

    Args:
        records: Columns `person` and the class numbers of each attribute, one row a record.
        split: Split of each record `[N]`.
        attributes: The attributes to check.
        fewest: Number of people required.
        where: The key to name in messages.

    Raises:
        DataError: Names the classes, the splits and the counts.
    """
    too_small = [
        f"{show_name(attribute.name)} {show_name(attribute.classes[number])!r}: {count:,} in {name}"
        for attribute in attributes
        for name in SPLITS
        for number, count in enumerate(_people_by_class(records[split == name], attribute))
        if count < fewest
    ]
    if too_small:
        more = f" and {len(too_small) - 5} more" if len(too_small) > 5 else ""
        raise DataError(
            where,
            "too few people (" + "; ".join(too_small[:5]) + more + ")",
            f"at least {fewest:,} people of each class in each split (prepare.min_people)",
            "merge small classes in the data, add people, change prepare.shares, or lower "
            "prepare.min_people",
        )


def _people_by_class(records: pd.DataFrame, attribute: Attribute) -> list[int]:
    """Number of distinct people in each class."""
    pairs = records[["person", attribute.name]].drop_duplicates()
    counts = np.bincount(pairs[attribute.name], minlength=len(attribute.classes))
    return [int(count) for count in counts]


def _divide(
    person: pd.Series[str], splits: Sequence[Split], shares: SharesConfig, seed: int
) -> dict[str, Split]:
    """Person -> split; counts are the shares, rounded by the largest remainder."""
    people = shuffle_people(person, seed)
    weights = np.array([shares.of(split) for split in splits])
    exact = weights / weights.sum() * len(people)
    counts = np.floor(exact + 1e-9).astype(int)
    remaining = len(people) - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:remaining]] += 1
    names = [split for split, count in zip(splits, counts, strict=True) for _ in range(count)]
    return dict(zip(people, names, strict=True))


def _targets(
    official: pd.Series[str], where: str, may_be_empty: bool
) -> dict[str, tuple[Split, ...]]:
    """Official split -> the splits that it is divided into."""
    names = set(official)
    if may_be_empty and names <= set(_FIXED):
        return _FIXED
    if names == set(SPLITS):
        return {split: (split,) for split in SPLITS}
    if names == set(_OFFICIAL):
        return _OFFICIAL
    if names == {"train", "test"}:
        train = (*_OFFICIAL["train"], *_OFFICIAL["val"])
        return {"train": train, "test": _OFFICIAL["test"]}
    known = [*_OFFICIAL, *SPLITS]
    unknown = sorted(names - set(known))
    present = ", ".join(sorted(names & set(known))) or "no split"
    others = f" and {len(unknown):,} other value{'s' * (len(unknown) > 1)}" if unknown else ""
    raise DataError(
        where,
        f"the column contains {present}{others}",
        f"train, test and, if there is one, val; or all of {', '.join(SPLITS)}",
        suggestion(unknown[0], known) if unknown else "name no column, to divide people at random",
    )


def _refuse_shared_people(person: pd.Series[str], official: pd.Series[str], where: str) -> None:
    shared = int((official.groupby(person).nunique() > 1).sum())
    if shared:
        raise DataError(
            where,
            f"{shared:,} {'person is' if shared == 1 else 'people are'} in two splits",
            "each person in one split: else attacks are scored on people they were trained on",
            "put all records of a person into one split, or name no column of official splits",
        )
