"""Four splits, disjoint by person: the extractor's people and three kinds of attacker's people.

A person's place follows from the seed and the person's id alone, and the counts are exact. Where
the source has splits of its own they are obeyed: `train` is divided among the extractor's and the
attackers' training people, `val` is attacker-select and `test` is attacker-test.
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
from tiprdc.errors import ConfigError, DataError, suggestion
from tiprdc.settings import Settings

_OFFICIAL: dict[str, tuple[Split, ...]] = {
    "train": ("extractor-train", "attacker-train"),
    "val": ("attacker-select",),
    "test": ("attacker-test",),
}


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


def shuffled(people: Iterable[str], seed: int) -> list[str]:
    """The distinct people in an order that depends on the seed and each id alone."""
    return sorted(
        set(people), key=lambda person: hashlib.sha256(f"{seed}:{person}".encode()).digest()
    )


def assign(
    person: Sequence[str],
    shares: SharesConfig,
    seed: int,
    official: Sequence[str] | None = None,
    where: str = "split",
) -> NDArray[np.str_]:
    """The split of each record `[N]`.

    Args:
        person: Whom each record is about `[N]`.
        shares: How people are divided; only the proportions count inside an official split.
        seed: Any whole number.
        official: The source's own split of each record `[N]`: train, val and test, or our four.
        where: The column that holds it, for messages.

    Raises:
        DataError: An official split is unknown or missing, or a person is in two of them.
    """
    people = pd.Series(list(person), dtype=str)
    if official is None:
        return people.map(_divide(people, SPLITS, shares, seed)).to_numpy(dtype=np.str_)
    group = pd.Series(list(official), dtype=str)
    parts = _parts(group, where)
    _refuse_shared_people(people, group, where)
    split: dict[str, Split] = {}
    for name, into in parts.items():
        split |= _divide(people[group == name], into, shares, seed)
    return people.map(split).to_numpy(dtype=np.str_)


def refuse_few_people(
    records: pd.DataFrame,
    split: NDArray[np.str_],
    attributes: Iterable[Attribute],
    fewest: int,
    where: str,
) -> None:
    """Every class of these attributes needs `fewest` people in every split.

    Raises:
        DataError: Naming the classes, the splits and the counts.
    """
    few = [
        f"{attribute.name} {attribute.classes[number]!r}: {count:,} in {name}"
        for attribute in attributes
        for name in SPLITS
        for number, count in enumerate(_people_of(records[split == name], attribute))
        if count < fewest
    ]
    if few:
        more = f" and {len(few) - 5} more" if len(few) > 5 else ""
        raise DataError(
            where,
            "too few people (" + "; ".join(few[:5]) + more + ")",
            f"at least {fewest:,} people of each class in each split (prepare.min_people)",
            "join small classes in the data, add people, change prepare.shares, or lower "
            "prepare.min_people",
        )


def _people_of(records: pd.DataFrame, attribute: Attribute) -> list[int]:
    """Number of different people in each class."""
    pairs = records[["person", attribute.name]].drop_duplicates()
    counts = np.bincount(pairs[attribute.name], minlength=len(attribute.classes))
    return [int(count) for count in counts]


def _divide(
    person: pd.Series[str], into: Sequence[Split], shares: SharesConfig, seed: int
) -> dict[str, Split]:
    """Person -> split; counts are the shares rounded by the largest remainder."""
    people = shuffled(person, seed)
    wanted = np.array([shares.of(split) for split in into])
    exact = wanted / wanted.sum() * len(people)
    counts = np.floor(exact + 1e-9).astype(int)
    short = len(people) - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:short]] += 1
    names = [split for split, count in zip(into, counts, strict=True) for _ in range(count)]
    return dict(zip(people, names, strict=True))


def _parts(official: pd.Series[str], where: str) -> dict[str, tuple[Split, ...]]:
    """What each official split is divided into."""
    given = set(official)
    if given == set(SPLITS):
        return {split: (split,) for split in SPLITS}
    if given == set(_OFFICIAL):
        return _OFFICIAL
    if given == {"train", "test"}:
        train = (*_OFFICIAL["train"], *_OFFICIAL["val"])
        return {"train": train, "test": _OFFICIAL["test"]}
    known = [*_OFFICIAL, *SPLITS]
    unknown = sorted(given - set(known))
    raise DataError(
        where,
        f"the splits {', '.join(repr(name) for name in sorted(given)[:6])}",
        f"train, test and, if there is one, val; or all of {', '.join(SPLITS)}",
        suggestion(unknown[0], known) if unknown else "leave the column out to divide at random",
    )


def _refuse_shared_people(person: pd.Series[str], official: pd.Series[str], where: str) -> None:
    shared = int((official.groupby(person).nunique() > 1).sum())
    if shared:
        raise DataError(
            where,
            f"{shared:,} {'person is' if shared == 1 else 'people are'} in two splits",
            "each person in one split only: else the attack is scored on people it has seen",
            "put all records of a person into one split, or leave out the source's splits",
        )
