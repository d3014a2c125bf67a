"""The people of a benchmark: who fits features and attackers, who selects, who is scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.schema import Records, Schema, read_schema, read_split
from tiprdc.errors import DataError
from tiprdc.models.inputs import attack_inputs

RARE = 0.05
"""A yes-or-no task made from a column has at least this share of records in each class."""


@dataclass(frozen=True)
class Group:
    """Records of people, with everything that is known about them.

    Args:
        x: As attacks read records `[N, ...]`.
        raw: As an extractor reads them `[N, *shape]`.
        labels: Attribute -> class numbers `[N]`.
        person: Person ids `[N]`.
    """

    x: NDArray[Any]
    raw: NDArray[Any]
    labels: dict[str, NDArray[np.int64]]
    person: NDArray[np.str_]

    @property
    def people(self) -> int:
        """Number of people."""
        return len(np.unique(self.person))

    def take(self, rows: NDArray[np.intp]) -> Group:
        """These rows."""
        labels = {name: values[rows] for name, values in self.labels.items()}
        return Group(self.x[rows], self.raw[rows], labels, self.person[rows])


@dataclass(frozen=True)
class Population:
    """A data set for fronts.

    Args:
        name: Of the data set, in tables.
        schema: Of its shards.
        private: The attribute to hide.
        named: The tasks that the shards name.
        classes: Attribute -> K, for the private one and every task.
        members: Of extractor-train: alternatives are fitted on them.
        train: Of extractor-train and attacker-train: attackers and probes are fitted on them.
        select: Of attacker-select: the best attacker is chosen on them.
        test: Of attacker-test: all figures are about them.
    """

    name: str
    schema: Schema
    private: str
    named: tuple[str, ...]
    classes: dict[str, int]
    members: Group
    train: Group
    select: Group
    test: Group

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every attribute but the private one."""
        return tuple(name for name in self.classes if name != self.private)


def load(
    shards: Path, private: str, most: int | None, seed: int, name: str | None = None
) -> Population:
    """Read shards.

    Args:
        shards: As `prepare` writes them.
        private: Any of their attributes.
        most: Most records of extractor-train and attacker-train together; None for all.
        seed: Which records are taken where there are more.
        name: Of the data set in tables; None for the name of its reader.

    Raises:
        DataError: There are no such shards, no such attribute, or no task besides it.
    """
    schema = read_schema(shards)
    schema.attribute(private)
    members = _group(read_split(shards, schema, "extractor-train"), schema)
    others = _group(read_split(shards, schema, "attacker-train"), schema)
    if most is not None and most < len(members.x) + len(others.x):
        share = most / (len(members.x) + len(others.x))
        rng = np.random.default_rng(seed)
        members, others = (
            group.take(np.sort(rng.permutation(len(group.x))[: int(share * len(group.x))]))
            for group in (members, others)
        )
    select = _group(read_split(shards, schema, "attacker-select"), schema)
    test = _group(read_split(shards, schema, "attacker-test"), schema)
    groups = (members, others, select, test)
    classes = {attribute.name: len(attribute.classes) for attribute in schema.attributes}
    _add_column_tasks(schema, groups, classes)
    # A rare class of a small data set may be absent.
    usable = {
        name: count
        for name, count in classes.items()
        if all(len(np.unique(group.labels[name])) == count for group in (others, select, test))
    }
    if private not in usable or len(usable) < 2:
        raise DataError(
            str(shards), f"no people of every class of {private} and of one task at least",
            "people of every class in every split", "prepare more people",
        )  # fmt: skip
    named = (*schema.private, *schema.utility)
    return Population(
        name=name or schema.dataset,
        schema=schema,
        private=private,
        named=tuple(name for name in named if name in usable and name != private),
        classes=usable,
        members=members,
        train=_join(members, others),
        select=select,
        test=test,
    )


def _group(records: Records, schema: Schema) -> Group:
    return Group(attack_inputs(records.x, schema), records.x, dict(records.labels), records.person)


def _join(first: Group, second: Group) -> Group:
    labels = {
        name: np.concatenate([values, second.labels[name]]) for name, values in first.labels.items()
    }
    return Group(
        np.concatenate([first.x, second.x]),
        np.concatenate([first.raw, second.raw]),
        labels,
        np.concatenate([first.person, second.person]),
    )


def _add_column_tasks(schema: Schema, groups: tuple[Group, ...], classes: dict[str, int]) -> None:
    """Makes each column of a table a task, in place: above the median or not for a number, the
    most frequent category or another."""
    if schema.modality != "table":
        return
    for number, column in enumerate(schema.columns):
        values = groups[0].raw[:, number]
        if column.categories:
            most = np.bincount(values.astype(np.int64)).argmax()
            labels = [(group.raw[:, number] == most).astype(np.int64) for group in groups]
        else:
            middle = float(np.median(values))
            labels = [(group.raw[:, number] > middle).astype(np.int64) for group in groups]
        if RARE <= labels[0].mean() <= 1 - RARE and column.name not in classes:
            classes[column.name] = 2
            for group, of_group in zip(groups, labels, strict=True):
                group.labels[column.name] = of_group
