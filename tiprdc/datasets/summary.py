"""What `prepare` found: records, people, input and classes, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiprdc.datasets.schema import SPLITS, Schema
from tiprdc.datasets.tables.names import one_line

_KINDS = {
    "image": "pictures of {} numbers", "text": "texts of {} tokens", "table": "{} columns",
    "audio": "recordings of {} samples",
}  # fmt: skip


def summary_lines(schema: Schema, records: pd.DataFrame, test: NDArray[np.bool_]) -> Iterator[str]:
    """One line on records and people, one on the split, one on each named attribute.

    Args:
        schema: Of the shards.
        records: Those in the shards, with the columns `person` and each attribute's class number.
        test: Whether each is in attacker-test.
    """
    kind = _KINDS[schema.modality].format(" x ".join(map(str, schema.shape)))
    people = sum(schema.people.values())
    yield (
        f"prepare: {len(records):,} records of {people:,} people, {kind};"
        f" {schema.unreadable:,} left out"
    )
    yield "prepare: people " + ", ".join(f"{name} {schema.people[name]:,}" for name in SPLITS)
    for name in (*schema.private, *schema.utility):
        classes = schema.attribute(name).classes
        everybody, tested = (_people(part, name, len(classes)) for part in (records, records[test]))
        named = ", ".join(f"{one} {n:,}" for one, n in zip(classes, everybody, strict=True))
        line = f"{'hide' if name in schema.private else 'task'} {name}: {named}"
        if name in schema.private:
            line += f"; in attacker-test {min(tested):,} of the rarest (audit.policy.min_people)"
        yield f"prepare: {one_line(line)}"


def _people(records: pd.DataFrame, name: str, classes: int) -> list[int]:
    """People of each class."""
    pairs = records[["person", name]].drop_duplicates()
    return [int(number) for number in np.bincount(pairs[name], minlength=classes)]
